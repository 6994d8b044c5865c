//! Rust source as tokens: what the tidy rules and the invariant check look for.
//!
//! Tokens see inside macros (`proptest!`, `message!`), which a syntax tree does not; the syntax tree knows
//! where functions and test modules begin and end. A file is read once by each and never changed.

use crate::error::Failure;
use proc_macro2::{Delimiter, LineColumn, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fmt;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// One parsed file.
pub(crate) struct Scan {
    tokens: TokenStream,
    syntax: syn::File,
    /// First and last line of each item that exists only in tests.
    test_lines: Vec<(usize, usize)>,
}

/// A function and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Line of `fn`.
    pub(crate) line: usize,
    /// From `fn` to the closing brace.
    pub(crate) lines: usize,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("test_lines", &self.test_lines).finish_non_exhaustive()
    }
}

impl Scan {
    /// Parses a file.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let syntax = syn::parse_file(text).map_err(|error| {
            let LineColumn { line, column } = error.span().start();
            Failure::new(format!("{line}:{column}: {error}"))
        })?;
        let tokens = text.parse().map_err(Failure::doing("no tokens"))?;
        let mut finder = TestFinder::default();
        finder.visit_file(&syntax);
        Ok(Self { tokens, syntax, test_lines: finder.found })
    }

    /// Whether a line belongs to an item that exists only in tests.
    pub(crate) fn in_test(&self, line: usize) -> bool {
        self.test_lines.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Functions outside tests.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut finder = FunctionFinder::default();
        finder.visit_file(&self.syntax);
        finder.found.retain(|function| !self.in_test(function.line));
        finder.found
    }

    /// Lines that hold code outside tests: no comments, no blank lines, no documentation.
    pub(crate) fn code_lines(&self) -> usize {
        let mut lines = BTreeSet::new();
        walk(&self.tokens, &mut |tree, _, after| {
            if is_doc(tree, after) {
                return Step::SkipNext;
            }
            match tree {
                TokenTree::Group(group) => {
                    lines.insert(group.span_open().start().line);
                    lines.insert(group.span_close().start().line);
                }
                other => lines.extend(other.span().start().line..=other.span().end().line),
            }
            Step::In
        });
        lines.into_iter().filter(|line| !self.in_test(*line)).count()
    }

    /// Lines of `//!` at the head of the file that say something.
    pub(crate) fn module_doc_lines(&self) -> usize {
        let docs = self.syntax.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
        let texts = docs.filter_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) => match &pair.value {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
                _ => Some("included".repeat(3)),
            },
            _ => None,
        });
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|l| !l.trim().is_empty())
            .count()
    }

    /// Names after `fn`, in macros too.
    pub(crate) fn function_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        walk(&self.tokens, &mut |tree, _, after| {
            if let (TokenTree::Ident(word), Some(TokenTree::Ident(name))) = (tree, after.first())
                && word == "fn"
            {
                names.insert(name.to_string());
            }
            Step::In
        });
        names
    }

    /// Macro calls `name!` with their lines.
    pub(crate) fn macro_calls(&self) -> Vec<(String, usize)> {
        let mut calls = Vec::new();
        walk(&self.tokens, &mut |tree, _, after| {
            if let (TokenTree::Ident(name), Some(TokenTree::Punct(bang))) = (tree, after.first()) {
                let called = matches!(after.get(1), Some(TokenTree::Group(_)));
                if bang.as_char() == '!' && called {
                    calls.push((name.to_string(), name.span().start().line));
                }
            }
            Step::In
        });
        calls
    }

    /// Lines of attributes that lift a lint with `allow`, also below `cfg_attr`.
    pub(crate) fn allow_attributes(&self) -> Vec<usize> {
        let mut lines = Vec::new();
        walk(&self.tokens, &mut |tree, before, _| {
            let TokenTree::Group(group) = tree else { return Step::In };
            let attribute = group.delimiter() == Delimiter::Bracket && follows_hash(before);
            if attribute && lifts_lint(group.stream()) {
                lines.push(group.span_open().start().line);
            }
            Step::In
        });
        lines
    }

    /// Names of modules in files of their own that exist only in tests: `#[cfg(test)] mod name;`.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let modules = self.syntax.items.iter().filter_map(|item| match item {
            syn::Item::Mod(module) if module.content.is_none() && is_test_only(&module.attrs) => {
                Some(&module.ident)
            }
            _ => None,
        });
        modules.map(ToString::to_string).collect()
    }

    /// String literals that are the first argument of `Command::new`, `Job::new` or `tool`, with their lines.
    pub(crate) fn spawned_programs(&self) -> Vec<(String, usize)> {
        let mut programs = Vec::new();
        walk(&self.tokens, &mut |tree, _, after| {
            let TokenTree::Ident(name) = tree else { return Step::In };
            let path: String = after.iter().take(3).map(ToString::to_string).collect();
            let arguments = match (name.to_string().as_str(), path.as_str()) {
                ("Command" | "Job", "::new") => after.get(3),
                ("tool", _) => after.first(),
                _ => None,
            };
            if let Some(TokenTree::Group(arguments)) = arguments
                && let Some(TokenTree::Literal(literal)) = arguments.stream().into_iter().next()
            {
                let text = literal.to_string().trim_matches('"').to_owned();
                programs.push((text, name.span().start().line));
            }
            Step::In
        });
        programs
    }

    /// Paths of at least two names (`std::fs`), with their lines; `use` groups are not expanded.
    pub(crate) fn paths(&self) -> Vec<(String, usize)> {
        let mut finder = PathFinder::default();
        finder.visit_file(&self.syntax);
        finder.found.retain(|(_, line)| !self.in_test(*line));
        finder.found
    }
}

enum Step {
    In,
    SkipNext,
}

type Visitor<'a> = &'a mut dyn FnMut(&TokenTree, &[TokenTree], &[TokenTree]) -> Step;

/// Calls `visit` with each token, the tokens before it and the tokens after it in its group.
fn walk(tokens: &TokenStream, visit: Visitor<'_>) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut skip = 0_usize;
    for (at, tree) in trees.iter().enumerate() {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        let (before, rest) = trees.split_at(at);
        let after = rest.get(1..).unwrap_or(&[]);
        match visit(tree, before, after) {
            Step::In => {
                if let TokenTree::Group(group) = tree {
                    walk(&group.stream(), visit);
                }
            }
            Step::SkipNext => {
                let inner = matches!(after.first(), Some(TokenTree::Punct(bang)) if bang.as_char() == '!');
                skip = if inner { 2 } else { 1 };
            }
        }
    }
}

/// Whether `#` opens a documentation comment.
fn is_doc(tree: &TokenTree, after: &[TokenTree]) -> bool {
    if !matches!(tree, TokenTree::Punct(hash) if hash.as_char() == '#') {
        return false;
    }
    let group = after.iter().take(2).find_map(|tree| match tree {
        TokenTree::Group(group) => Some(group),
        _ => None,
    });
    group.is_some_and(|group| {
        group.stream().into_iter().next().is_some_and(|first| first.to_string() == "doc")
    })
}

fn follows_hash(before: &[TokenTree]) -> bool {
    let is = |tree: Option<&TokenTree>, wanted: char| matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted);
    let last = before.last();
    is(last, '#') || (is(last, '!') && is(before.iter().rev().nth(1), '#'))
}

fn lifts_lint(attribute: TokenStream) -> bool {
    let trees: Vec<TokenTree> = attribute.into_iter().collect();
    let Some(TokenTree::Ident(first)) = trees.first() else { return false };
    if first == "allow" {
        return true;
    }
    let Some(TokenTree::Group(inner)) = trees.get(1) else { return false };
    let names: Vec<String> = inner.stream().into_iter().map(|tree| tree.to_string()).collect();
    first == "cfg_attr" && names.iter().any(|name| name == "allow")
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let words = match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
            _ => String::new(),
        };
        attribute.path().is_ident("test") || words == "test" || words.starts_with("all (test")
    })
}

#[derive(Default)]
struct TestFinder {
    found: Vec<(usize, usize)>,
}

impl<'a> Visit<'a> for TestFinder {
    fn visit_item(&mut self, item: &'a syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Fn(inner) => &inner.attrs,
            syn::Item::Mod(inner) => &inner.attrs,
            syn::Item::Impl(inner) => &inner.attrs,
            syn::Item::Use(inner) => &inner.attrs,
            syn::Item::Struct(inner) => &inner.attrs,
            syn::Item::Macro(inner) => &inner.attrs,
            _ => &[],
        };
        if is_test_only(attributes) {
            let span = item.span();
            self.found.push((span.start().line, span.end().line));
        } else {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        if is_test_only(&function.attrs) {
            let span = function.span();
            self.found.push((span.start().line, span.end().line));
        }
    }
}

#[derive(Default)]
struct FunctionFinder {
    found: Vec<Function>,
}

impl FunctionFinder {
    fn add(&mut self, signature: &syn::Signature, end: Span) {
        let line = signature.fn_token.span.start().line;
        let lines = end.end().line + 1 - line;
        self.found.push(Function { name: signature.ident.to_string(), line, lines });
    }
}

impl<'a> Visit<'a> for FunctionFinder {
    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.add(&function.sig, function.block.span());
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        self.add(&function.sig, function.block.span());
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block.span());
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

#[derive(Default)]
struct PathFinder {
    found: Vec<(String, usize)>,
}

impl PathFinder {
    fn tree(&mut self, prefix: &str, tree: &syn::UseTree) {
        let join = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
        match tree {
            syn::UseTree::Path(path) => self.tree(&join(&path.ident.to_string()), &path.tree),
            syn::UseTree::Name(name) => {
                self.found.push((join(&name.ident.to_string()), name.span().start().line))
            }
            syn::UseTree::Rename(name) => {
                self.found.push((join(&name.ident.to_string()), name.span().start().line))
            }
            syn::UseTree::Glob(star) => self.found.push((join("*"), star.span().start().line)),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(prefix, item)),
        }
    }
}

impl<'a> Visit<'a> for PathFinder {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.tree("", &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.found.push((names.join("::"), path.span().start().line));
        }
        syn::visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests;
