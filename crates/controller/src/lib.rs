//! The meta-scheduler: child schedulers are its instances
