//! Scope: which modules this program was built with, and who stands before them.
//!
//! The dynamic linker looks symbols up in the order of its list: the executable, what was preloaded, what the
//! executable was linked with. The closure of `DT_NEEDED` is what the builder chose; a module that stands before
//! it without being in it was put there by somebody else, whatever the environment says now. Names are compared as
//! the linker compares them: a file by its last part, or by its own name for itself.

use super::Reason;
use super::elf::{self, Module};
use super::modules::file_name;
use super::scene::Scene;
use std::collections::BTreeSet;

/// The modules of this process, and which of them were built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) modules: Vec<Module>,
    /// Places in `modules`.
    closure: BTreeSet<usize>,
}

impl Scope {
    /// As it is now.
    pub(super) fn read(scene: &Scene) -> Result<Self, Reason> {
        let modules = elf::modules(scene)?;
        let sonames: Vec<_> = modules.iter().map(|module| module.soname(scene)).collect();
        let needs: Result<Vec<_>, _> = modules.iter().map(|module| module.needed(scene)).collect();
        let is_named = |place: usize, name: &[u8]| {
            let file = modules.get(place).map(|module| file_name(&module.name));
            let soname = sonames.get(place).and_then(Option::as_deref);
            file == Some(file_name(name)) || soname == Some(name)
        };
        let closure = closure(&needs?, is_named);
        Ok(Self { modules, closure })
    }

    /// Whether the builder of the program chose the module at `place`; the executable and the kernel's own count.
    pub(super) fn is_built_in(&self, place: usize) -> bool {
        let is_kernels = |module: &Module| {
            module.name.starts_with(b"linux-vdso") || module.name.starts_with(b"linux-gate")
        };
        self.closure.contains(&place) || self.modules.get(place).is_some_and(is_kernels)
    }

    /// Modules that stand before everything that the executable was linked with: preloaded.
    pub(super) fn preloaded(&self) -> impl Iterator<Item = &Module> {
        let first = self.closure.iter().copied().find(|place| *place > 0).unwrap_or(usize::MAX);
        let before = move |(place, module): (usize, _)| {
            (place > 0 && place < first && !self.is_built_in(place)).then_some(module)
        };
        self.modules.iter().enumerate().filter_map(before)
    }
}

/// Places of the executable and of everything that it needs, directly or not.
fn closure(needs: &[Vec<Vec<u8>>], is_named: impl Fn(usize, &[u8]) -> bool) -> BTreeSet<usize> {
    let mut closure = BTreeSet::from([0]);
    let mut open = vec![0];
    while let Some(place) = open.pop() {
        for name in needs.get(place).into_iter().flatten() {
            // The linker takes the first of a name, and so is a preloaded one of that name taken here: it is
            // loaded only once. What it does is then the symbols' matter.
            let found = (0..needs.len()).find(|place| is_named(*place, name));
            if let Some(found) = found
                && closure.insert(found)
            {
                open.push(found);
            }
        }
    }
    closure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_closure_is_what_is_needed_and_nothing_else() {
        let files = ["", "shim.so", "liba.so", "libc.so.6", "plugin.so"];
        let needs =
            [names(&["liba.so", "libc.so.6"]), names(&["libc.so.6"]), names(&["libc.so.6"]), vec![], vec![]];
        let found =
            closure(&needs, |place, name| files.get(place).is_some_and(|file| file.as_bytes() == name));
        assert_eq!(found, BTreeSet::from([0, 2, 3]));
    }

    #[test]
    fn nothing_is_preloaded_into_this_process() {
        let scope = Scope::read(&Scene::new()).unwrap();
        let preloaded: Vec<_> =
            scope.preloaded().map(|module| String::from_utf8_lossy(&module.name)).collect();
        assert!(preloaded.is_empty(), "{preloaded:?}");
        assert!(scope.is_built_in(0) && !scope.is_built_in(scope.modules.len()));
        let outsiders = (0..scope.modules.len()).filter(|place| !scope.is_built_in(*place)).count();
        assert_eq!(outsiders, 0);
    }
}
