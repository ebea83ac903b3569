//! The embedded Mesos-API cluster for one machine: a master and its agents
