//! The master: who may use what, and who has been told what.
