//! A fleet under one seed: real SDK, edge and cloud, attackers, and the equality check.
//!
//! [`demo::run`] starts the four zones on loopback and drives a simulated fleet of benign users and attackers
//! through them over HTTP; [`inprocess`] drives the same fleet over the cores without sockets, clock or
//! randomness of its own. Nothing here decides anything: verdicts come from the zones, goals are measured at the
//! [`shop`], and the check compares both with the reference interpreter.
//!
//! The simulator alone knows the full snapshot of every event. Snapshots stay in its memory (`snapshots`) and
//! never cross a socket; the check joins them with the cloud's records when the run is over.

pub mod actor;
pub mod attack;
pub mod check;
pub mod chips;
pub mod deeds;
pub mod demo;
pub mod equality;
pub mod features;
pub mod gate;
pub mod http;
pub mod inprocess;
pub mod keys;
pub mod manufacturer;
pub mod net;
pub mod persona;
pub mod phone;
pub mod platform;
pub mod policies;
pub mod records;
pub mod report;
pub mod rng;
pub mod schedule;
pub mod script;
pub mod shop;
pub mod snapshots;
pub mod terminal;
pub mod traffic;
pub mod verdicts;
pub mod victim;
pub mod world;
