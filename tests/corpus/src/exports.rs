//! What C, Java, JavaScript and Python call by name.
//!
//! Each host has its own way to load a library and none needs a line of glue in C: Java looks up a mangled name and
//! passes two pointers that are not read here, Node calls a registration function and takes back what it passed,
//! everybody else calls plain functions. A name that is looked up needs an attribute that Rust counts as unsafe,
//! because two of the same name would collide; these begin with this crate's name or are what the host prescribes,
//! and are the only unsafe thing in this crate.

use crate::app::{guarded, orders, ready};
use crate::line::Line;
use crate::watch::{Watch, say};
use glacis_sdk::sensor::HostProfile;
use std::ffi::c_void;
use std::hint::black_box;
use std::sync::Once;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// How much may be transferred of `amount`. Guarded; what an attacker wants to change.
#[expect(unsafe_code, reason = "tools find the function by its name; no other begins like this crate")]
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn glacis_corpus_may_transfer(amount: u32) -> u32 {
    black_box(amount) / 7 + 35
}

/// A function that nobody guards and nobody calls; an attacker may still change it.
#[expect(unsafe_code, reason = "kept by its name; no other begins like this crate")]
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn glacis_corpus_unguarded() -> u32 {
    black_box(7)
}

/// Starts the sensors in this process, once; `jit` is not 0 in a host that makes code while it runs. Says the app's
/// lines on standard output and obeys standard input, all on threads of its own.
#[expect(unsafe_code, reason = "C and Python find the function by its name; no other begins like this crate")]
#[unsafe(no_mangle)]
pub extern "C" fn glacis_corpus_start(jit: i32) {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let profile = if jit == 0 { HostProfile::native() } else { HostProfile::jit() };
        std::thread::spawn(move || follow(profile));
    });
}

/// `GlacisHost.start()`, a static native method in Java.
#[expect(unsafe_code, reason = "the name is what the Java virtual machine looks up for the method")]
#[unsafe(no_mangle)]
pub extern "C" fn Java_GlacisHost_start(_env: *mut c_void, _class: *mut c_void) {
    glacis_corpus_start(1);
}

/// Node calls this when it loads the library as an addon; `exports` goes back as it came.
#[expect(unsafe_code, reason = "the name is what Node looks up in an addon")]
#[unsafe(no_mangle)]
pub extern "C" fn napi_register_module_v1(_env: *mut c_void, exports: *mut c_void) -> *mut c_void {
    glacis_corpus_start(1);
    exports
}

/// Says every change until nobody reads any more, or ends the host with its input. The host's threads stay its own.
fn follow(profile: HostProfile) {
    let mut watch = match Watch::start(profile, &[guarded()]) {
        Ok(watch) => watch,
        Err(error) => {
            // Where nobody reads there is nobody to tell.
            drop(say(&Line::Failed { why: error.to_string() }));
            return;
        }
    };
    let orders = orders();
    let mut read = say(&ready());
    while read.is_ok() {
        read = watch.changes().iter().try_for_each(say);
        match orders.recv_timeout(ROUND) {
            Ok(order) if order == Line::READ => {
                watch.look();
                read = watch.changes().iter().try_for_each(say).and_then(|()| say(&Line::Asked));
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            // Whoever started the host is gone; it must not stay behind.
            Err(RecvTimeoutError::Disconnected) => std::process::exit(0),
        }
    }
}

/// Time between two looks at the readings.
const ROUND: Duration = Duration::from_millis(5);
