//! How to use this crate, what it defends against and what not. Prose only.
//!
//! # What it is
//!
//! The app zone of Glacis. It observes its own process ([`crate::sensor`]), runs the device slice of the policy on
//! what it observed ([`crate::slice`]), lets out one fixed-layout disclosure, signs requests with keys of the
//! trusted middleware (`glacis-dtx`), and turns answers into verified outcomes ([`crate::flow::act`]). It opens no
//! socket, shows no prompt and asks no clock: the app owns these ([`crate::drive`] is the seam, twenty lines).
//!
//! # How to
//!
//! 1. Make a key store and files (`glacis_dtx`, `glacis_host`), and a [`Client`](crate::Client) from
//!    [`ClientParts`](crate::ClientParts), with the key set pinned at build time.
//! 2. Start a [`Suite`](crate::sensor::Suite) of sensors early, with the functions to guard and what is normal in
//!    the host process; it owns one thread. Give it to [`Sensors::suite`](crate::Sensors::suite), which answers the
//!    signals of [`crate::sensor::signal`]. What has no sensor is not guessed: it is withheld.
//! 3. [`Client::enrol`](crate::Client::enrol) once; [`Client::pull`](crate::Client::pull) at start and whenever
//!    [`Client::is_behind`](crate::Client::is_behind); [`Client::report`](crate::Client::report) when it yields a flow.
//! 4. Put each guarded request through [`Client::act`](crate::Client::act). Go on only where
//!    [`Outcome::allowed`](crate::Outcome::allowed); the upstream's answer is in `response`.
//!
//! Every flow is driven alike: `next`, carry it out, `receive` (or `lost`, or `reply`), until `Done`.
//! An [`Outcome`](crate::Outcome) is a decision; a [`FlowError`](crate::FlowError) is the lack of one. The edge, not
//! the app, enforces: an app that ignores a block gets no further, since the request was never forwarded.
//!
//! # Threats
//!
//! Defended, each by a test that carries the attack out:
//!
//! | threat | what holds |
//! |---|---|
//! | a debugger or injector attaches for some milliseconds | fast watch, latch ([`crate::sensor::tracer`]) |
//! | an agent is injected, or the C library hooked or interposed on | code, threads, pages, symbols against what the program was built with ([`crate::sensor::suite`]) |
//! | the C library lies to the sensors | they ask the kernel themselves (`glacis_host::kernel`, `Bell`, `TwoClocks`) |
//! | a guarded value is changed in memory | MAC over all of them ([`GuardedState`](crate::sensor::GuardedState)) |
//! | a sensor is wrong on a new version of a system | mutes by version; muted is unknown ([`crate::sensor::mute`]) |
//! | a function of the app is patched, from outside or inside, and put back | file baseline, watch, latch ([`crate::sensor::prologue`]) |
//! | a sensor is blinded, starved or stopped | unknown, never clear; the policy says what follows |
//! | an answer is forged, replayed or belongs to another action | MAC, event, request digest, content, end ([`crate::flow::act`]) |
//! | an older or unsigned policy is offered | refused, the live one stays ([`crate::flow::pull`]) |
//! | an endless series of refusals or losses | every flow is bounded ([`crate::flow`]) |
//! | private signals in requests, logs, crashes | no encoder, names-only `Debug`, fixed layout ([`crate::signal`]) |
//!
//! Not defended here, and by whom: a client that lies about its signals (edge and cloud: a claim that exculpates
//! must be earned by attestation); one that skips its slice (the same; a device's own block is a courtesy); a
//! privileged observer or a tracer outside of this PID namespace, which can answer our reads (attestation of the
//! platform); memory of this process against code in this process (hardware-backed keys keep at least the keys).
//! Timing of requests is not padded; *that* a local block happened shows by the absence of a request, which is
//! why a policy has to release such a condition as a verdict.
//!
//! # Defaults
//!
//! | what | value | where |
//! |---|---|---|
//! | tracer looks every | 2 ms | [`Tracer::INTERVAL`](crate::sensor::Tracer::INTERVAL) |
//! | prologue looks every | 50 ms, and at each decision | [`Prologue::INTERVAL`](crate::sensor::Prologue::INTERVAL) |
//! | guarded bytes of a function | 32 | [`Guarded::LEN`](crate::sensor::Guarded::LEN) |
//! | suite: tracer, guarded functions, code maps look every | 50 ms, 250 ms, 500 ms; all at each event | [`Suite`](crate::sensor::Suite) |
//! | suite: share of one core, all sensors | 0.2 %, then wider intervals, then unknown(over-budget) | [`SuiteConfig`](crate::sensor::SuiteConfig) |
//! | a watch that stands alone: share of one core | 2 %, then wider intervals, then unknown(over-budget) | [`WatchConfig`](crate::sensor::WatchConfig) |
//! | a slice decides locally for | 24 h after its last confirmation | [`DEVICE_FINAL_TTL`](crate::DEVICE_FINAL_TTL) |
//! | lost answers in one flow | 3, then an error | [`crate::flow`] |
//! | new legs or sessions in one flow | 3, then an error | [`crate::flow`] |
//! | decisions of one action | 4 (protocol) | `glacis_wire::limits` |
//! | records of local decisions | 64 queued, one batch a minute, times rounded to minutes | [`crate::Client::report`] |
//!
//! The 2 ms watch of a [`Tracer`](crate::sensor::Tracer) that stands alone is for the foreground; an app that goes to
//! the background drops its sensors and starts them again, which also starts a new latch: keep one that has detected.
