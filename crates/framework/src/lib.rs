//! The SDK that every scheduler is built on: pure core, driver, store, REST skeleton
