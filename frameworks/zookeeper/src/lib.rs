//! ZooKeeper ensembles
