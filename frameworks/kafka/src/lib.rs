//! Kafka clusters, on ZooKeeper or KRaft
