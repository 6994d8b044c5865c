//! Tools that start the app: another clock, another network, another processor, another library in front.
//!
//! The whole world of such an app is false from its first instruction on, so there is no clean baseline to compare
//! with; what is seen must be seen against files, the kernel's own account, or what every process has.

use super::{Attack, Strike};
use crate::kit::{Kit, Trouble, version, version_in};
use crate::process::App;
use std::fs;

pub(super) const FAKETIME: Attack = Attack {
    tool: "libfaketime",
    mode: "an hour ahead",
    sensors: &["preload", "symbol-owner", "clock-skew"],
    strike: faketime,
};
pub(super) const TIME_NAMESPACE: Attack = Attack {
    tool: "unshare --time",
    mode: "a day of uptime more",
    sensors: &["time-namespace"],
    strike: time_namespace,
};
pub(super) const PROXYCHAINS: Attack = Attack {
    tool: "proxychains4",
    mode: "connections through a proxy",
    sensors: &["preload", "symbol-owner", "proxy"],
    strike: proxychains,
};
pub(super) const QEMU: Attack =
    Attack { tool: "qemu-user", mode: "emulated processor", sensors: &["emulator"], strike: qemu };
pub(super) const VALGRIND: Attack = Attack {
    tool: "valgrind",
    mode: "memcheck",
    sensors: &["emulator", "code-maps", "preload"],
    strike: valgrind,
};
pub(super) const PRELOAD: Attack = Attack {
    tool: "LD_PRELOAD",
    mode: "own library in front of libc",
    sensors: &["preload", "symbol-owner"],
    strike: |kit| preload(kit, false),
};
pub(super) const PRELOAD_HIDDEN: Attack = Attack {
    tool: "LD_PRELOAD",
    mode: "the same, wiping its name from the environment",
    sensors: &["preload", "symbol-owner"],
    strike: |kit| preload(kit, true),
};

fn faketime(kit: &Kit) -> Result<Strike, Trouble> {
    let version = version("faketime", &["--version"])?;
    let app = App::start(kit, kit.app_under(&["faketime", "-f", "+3600s"]))?;
    Ok(Strike::under(app, version))
}

fn time_namespace(kit: &Kit) -> Result<Strike, Trouble> {
    let version = version("unshare", &["--version"])?;
    let starter = ["unshare", "--time", "--boottime", "86400", "--fork", "--kill-child"];
    match App::start(kit, kit.app_under(&starter)) {
        Ok(app) => Ok(Strike::under(app, version)),
        Err(Trouble::Failed(why)) if why.contains("unshare: ") => Err(Trouble::lacking("timens", why)),
        Err(why) => Err(why),
    }
}

fn proxychains(kit: &Kit) -> Result<Strike, Trouble> {
    let config = kit.folder().join("proxychains.conf");
    // Nobody listens there; the app connects to nothing.
    fs::write(&config, "strict_chain\n[ProxyList]\nsocks5 127.0.0.1 9\n")?;
    let config = config.to_string_lossy().into_owned();
    let app = App::start(kit, kit.app_under(&["proxychains4", "-f", &config]))?;
    // It tells its version only when it is in place.
    let said = app.said();
    if !said.contains("[proxychains]") {
        return Err(Trouble::failed(format!("proxychains is not in place: {said}")));
    }
    Ok(Strike::under(app, version_in(said.rsplit("DLL init").next().unwrap_or(""))))
}

fn qemu(kit: &Kit) -> Result<Strike, Trouble> {
    let version = version("qemu-x86_64", &["--version"])?;
    let app = App::start(kit, kit.app_under(&["qemu-x86_64"]))?;
    Ok(Strike::under(app, version))
}

fn valgrind(kit: &Kit) -> Result<Strike, Trouble> {
    let version = version("valgrind", &["--version"])?;
    let app = App::start(kit, kit.app_under(&["valgrind", "-q", "--vgdb=no"]))?;
    Ok(Strike::under(app, version))
}

fn preload(kit: &Kit, wipes: bool) -> Result<Strike, Trouble> {
    let library = kit.compile("shim.c", &["-shared", "-fPIC"])?;
    let mut command = kit.app_under(&[]);
    command.env("LD_PRELOAD", &library);
    if wipes {
        command.env("SHIM_WIPES", "1");
    }
    let app = App::start(kit, command)?;
    let said = app.said();
    if !said.contains("shim: in front") {
        return Err(Trouble::failed(format!("the library is not in place: {said}")));
    }
    let environment = fs::read(format!("/proc/{}/environ", app.pid()))?;
    if wipes && String::from_utf8_lossy(&environment).contains("PRELOAD") {
        return Err(Trouble::failed("the library did not wipe its name"));
    }
    Ok(Strike::under(app, String::from("-")))
}
