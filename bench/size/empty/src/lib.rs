//! The size of nothing: one exported function in a library of the profile that an app ships.
//!
//! What this weighs is the toolchain's and the system's; `bench size` takes it off the library beside it. It must stay
//! empty, or the engine would look smaller than it is.

/// Does nothing.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "an exported name is unsafe to choose")]
pub extern "C" fn glacis_decide() -> u32 {
    0
}
