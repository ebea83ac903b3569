//! A framework of your own, small
