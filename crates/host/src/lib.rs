//! Clock, entropy and storage as traits, with the one implementation that asks the operating system.
