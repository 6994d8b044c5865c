//! What the function table says about each function, for people: the reference and whatever else lists functions.
//!
//! The rows of docs/reference/cel.md are [`FunctionInfo::row`]s; a test compares them. Nothing is written twice, so
//! the reference cannot promise a function, an overload or a cost that is not there.

use super::example;
use super::table::{self, Library, Overload};

/// One function as the reference shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name; operators as CEL names them (`_+_`).
    pub name: &'static str,
    /// The library that offers it.
    pub library: Library,
    /// How it is called: `size(string) -> int`, `string.size() -> int`.
    pub overloads: Vec<String>,
    /// Steps of a call beyond those of its arguments.
    pub cost: String,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// An expression with it that is true.
    pub example: &'static str,
    /// Whether conditions of policies can say the example, or only `full` can.
    pub in_slice: bool,
}

/// Every function of the profile, by library.
pub fn functions() -> Vec<FunctionInfo> {
    let info = |function: &'static table::Function| {
        let example = example::of(function.library, function.name);
        FunctionInfo {
            name: function.name,
            library: function.library,
            overloads: function.overloads.iter().map(|overload| signature(function.name, overload)).collect(),
            cost: function.cost.formula(),
            about: function.about,
            example: example.map_or("", |example| example.text),
            in_slice: example.is_some_and(|example| example.slice),
        }
    };
    table::all().map(info).collect()
}

/// One macro as the reference shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacroInfo {
    /// How it is written: `e.all(x, p)`.
    pub form: &'static str,
    /// The profiles that have it.
    pub profiles: &'static str,
    /// What it says, in one sentence.
    pub about: &'static str,
    /// An expression with it that is true.
    pub example: &'static str,
}

/// Every macro.
pub fn macros() -> Vec<MacroInfo> {
    let info = |of: &example::Macro| MacroInfo {
        form: of.form,
        profiles: of.profiles,
        about: of.about,
        example: of.example,
    };
    example::MACROS.iter().map(info).collect()
}

impl MacroInfo {
    /// A row of a Markdown table: form, profiles, what it says, an example.
    pub fn row(&self) -> String {
        format!("| `{}` | {} | {} | `{}` |", self.form, self.profiles, self.about, self.example)
    }
}

impl FunctionInfo {
    /// A row of a Markdown table: signatures, steps, profiles, what it does, an example.
    pub fn row(&self) -> String {
        let overloads: Vec<String> = self.overloads.iter().map(|text| format!("`{text}`")).collect();
        let profiles = if self.in_slice { "slice, full" } else { "full" };
        let example = format!("`{}`", self.example);
        let row = [&overloads.join("<br>"), &self.cost, profiles, self.about, &example]
            .map(|cell| cell.replace('|', "\\|"));
        format!("| {} |", row.join(" | "))
    }
}

fn signature(name: &str, overload: &Overload) -> String {
    let mut parameters = overload.parameters.iter().map(|parameter| parameter.ty().to_string());
    let receiver = if overload.method { parameters.next() } else { None };
    let parameters: Vec<String> = parameters.collect();
    let result = overload.result.ty();
    if !name.contains('_') && !name.starts_with('@') {
        let receiver = receiver.map(|receiver| format!("{receiver}.")).unwrap_or_default();
        return format!("{receiver}{name}({}) -> {result}", parameters.join(", "));
    }
    // An operator: its operands stand where its name has underscores.
    let template = if name == "@in" { "_ in _" } else { name };
    let mut parameters = parameters.iter();
    let spread = template.chars().map(|letter| match (letter, parameters.len()) {
        ('_', 1..) => parameters.next().cloned().unwrap_or_default(),
        ('?' | ':', _) => format!(" {letter} "),
        _ => letter.to_string(),
    });
    let text: String = spread.collect();
    let spaced = ["&&", "||", "==", "!=", "<=", ">=", "+", "*", "/", "%"];
    let symbol = template.trim_matches('_');
    let text = if spaced.contains(&symbol) || (template.len() == 3 && symbol.len() == 1 && symbol != "[_]") {
        text.replacen(symbol, &format!(" {symbol} "), 1)
    } else {
        text
    };
    format!("{text} -> {result}")
}
