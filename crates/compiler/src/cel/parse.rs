//! Operator-precedence (Pratt) parser for all of CEL.
//!
//! [`parse`] reads a condition of a policy: CEL's grammar, then the subset that zones run. [`parse_full`] reads any
//! CEL but messages and optional values, which it refuses by name.
//!
//! Precedence and associativity are CEL's: `?:` binds loosest and to the right, its middle operand is not
//! another `?:` without parentheses; every binary operator binds to the left; `!` and `-` repeat but do not mix.
//! Chains of `&&` and of `||` become balanced trees (they are associative in CEL's four-valued logic), so a long
//! list of alternatives is not deep.

use super::ast::{Ast, AstKind, BinaryOp};
use super::lex::{Lexeme, Token, lex};
use super::subset;
use crate::diagnostic::{Span, Spanned};
use crate::source::Finding;
use glacis_wire::limits::{DEPTH_MAX, LIST_ITEMS_MAX};

/// How much text a parse takes and how deep it goes. Whatever comes later recurses at most as deep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most bytes of text.
    pub(crate) bytes: usize,
    /// Deepest tree, and deepest nesting of brackets.
    pub(crate) depth: usize,
    /// Most items of one list, entries of one map or arguments of one call.
    pub(crate) items: usize,
}

/// Parses one condition of a policy.
pub(crate) fn parse(text: &str) -> Result<Ast, Finding> {
    let ast = parse_full(text, CONDITION)?;
    subset::check(&ast)?;
    Ok(ast)
}

/// Parses any CEL.
pub(crate) fn parse_full(text: &str, limits: Limits) -> Result<Ast, Finding> {
    if text.len() > limits.bytes {
        let message = format!("the condition has {} bytes; at most {}", text.len(), limits.bytes);
        return Err(Finding::new(Span::new(0, text.len()), "G2006", message));
    }
    let lexemes = lex(text)?;
    let mut parser = Parser { lexemes, at: 0, depth: 0, limits };
    let ast = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(ast),
        other => Err(parser.unexpected(&other.clone(), "an operator or the end")),
    }
}

struct Parser {
    lexemes: Vec<Lexeme>,
    at: usize,
    depth: usize,
    limits: Limits,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.lexemes.get(self.at).map_or(&Token::End, |lexeme| &lexeme.token)
    }

    fn span(&self) -> Span {
        self.lexemes.get(self.at).or(self.lexemes.last()).map_or(Span::default(), |lexeme| lexeme.span)
    }

    fn advance(&mut self) -> Span {
        let span = self.span();
        self.at += 1;
        span
    }

    fn accept(&mut self, token: &Token) -> Option<Span> {
        (self.peek() == token).then(|| self.advance())
    }

    fn expect(&mut self, token: &Token, what: &str) -> Result<Span, Finding> {
        self.accept(token).ok_or_else(|| self.unexpected(&self.peek().clone(), what))
    }

    fn unexpected(&self, token: &Token, want: &str) -> Finding {
        let span = self.span();
        match token {
            Token::Reserved(word) => Finding::new(span, "G2002", format!("`{word}` is a reserved word")),
            Token::End => Finding::new(span, "G2005", format!("the condition ends where {want} is expected")),
            other => Finding::new(span, "G2005", format!("found {}, expected {want}", describe(other))),
        }
    }

    /// `a ? b : c` and everything that binds tighter.
    fn expression(&mut self) -> Result<Ast, Finding> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(self.too_deep(self.span()));
        }
        let condition = self.binary(1)?;
        let ast = if self.accept(&Token::Question).is_some() {
            let yes = self.binary(1)?;
            if *self.peek() == Token::Question {
                let finding = self.unexpected(&Token::Question, "`:`");
                return Err(finding.help("put the inner `?:` in parentheses"));
            }
            self.expect(&Token::Colon, "`:`")?;
            let no = self.expression()?;
            let span = condition.span.to(no.span);
            let depth = condition.depth.max(yes.depth).max(no.depth);
            self.node(AstKind::If(Box::new(condition), Box::new(yes), Box::new(no)), span, depth)?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(ast)
    }

    /// Binary operators of at least `power`.
    fn binary(&mut self, power: u8) -> Result<Ast, Finding> {
        let mut left = self.unary()?;
        while let Token::Binary(op) = *self.peek() {
            if op.power() < power {
                break;
            }
            if matches!(op, BinaryOp::And | BinaryOp::Or) {
                let mut operands = vec![left];
                while self.accept(&Token::Binary(op)).is_some() {
                    operands.push(self.binary(op.power() + 1)?);
                }
                left = self.balance(op, operands)?;
            } else {
                self.advance();
                let right = self.binary(op.power() + 1)?;
                left = self.pair(op, left, right)?;
            }
        }
        Ok(left)
    }

    /// `!`s or `-`s before a member expression.
    fn unary(&mut self) -> Result<Ast, Finding> {
        let mut signs = Vec::new();
        let op = self.peek().clone();
        if op == Token::Not || op == Token::Binary(BinaryOp::Sub) {
            while let Some(span) = self.accept(&op) {
                signs.push(span);
            }
        }
        // As in cel-go, pairs of signs cancel before anything is evaluated.
        let odd = signs.len() % 2 == 1;
        let minus = signs.last().filter(|_| odd && op != Token::Not);
        let literal = self.negative_literal(minus)?;
        let signed = odd && literal.is_none();
        let first = match literal {
            Some(literal) => literal,
            None => self.primary()?,
        };
        let ast = self.postfix(first)?;
        let Some(sign) = signs.first() else { return Ok(ast) };
        let span = sign.to(ast.span);
        if !signed {
            return Ok(Ast { span, ..ast });
        }
        let depth = ast.depth;
        let inner = Box::new(ast);
        self.node(if op == Token::Not { AstKind::Not(inner) } else { AstKind::Neg(inner) }, span, depth)
    }

    /// The number that follows a minus sign, as one literal: the smallest int has no positive form.
    fn negative_literal(&mut self, minus: Option<&Span>) -> Result<Option<Ast>, Finding> {
        let Some(minus) = minus else { return Ok(None) };
        let kind = match *self.peek() {
            Token::Int(value) => AstKind::Int(0_i64.checked_sub_unsigned(value).unwrap_or(i64::MIN)),
            Token::Double(value) => AstKind::Double(-value),
            _ => return Ok(None),
        };
        let span = minus.to(self.advance());
        self.node(kind, span, 0).map(Some)
    }

    fn primary(&mut self) -> Result<Ast, Finding> {
        let token = self.peek().clone();
        let kind = match token {
            Token::Null => AstKind::Null,
            Token::Bool(value) => AstKind::Bool(value),
            Token::Int(value) => match i64::try_from(value) {
                Ok(value) => AstKind::Int(value),
                Err(_) => return Err(Finding::new(self.span(), "G2003", "number out of the range of int")),
            },
            Token::Uint(value) => AstKind::Uint(value),
            Token::Double(value) => AstKind::Double(value),
            Token::Text(text) => AstKind::Text(text),
            Token::Bytes(bytes) => AstKind::Bytes(bytes),
            Token::Name(name) => return self.name(None, name),
            Token::Dot => {
                let dot = self.advance();
                let Token::Name(name) = self.peek().clone() else {
                    return Err(self.unexpected(&self.peek().clone(), "a name"));
                };
                return self.name(Some(dot), name);
            }
            Token::Open('(') => return self.parenthesised(),
            Token::Open('[') => return self.list(),
            Token::Open('{') => return self.map(),
            other => return Err(self.unexpected(&other, "a value")),
        };
        let span = self.advance();
        self.node(kind, span, 0)
    }

    fn parenthesised(&mut self) -> Result<Ast, Finding> {
        let open = self.advance();
        let inner = self.expression()?;
        if *self.peek() == Token::End {
            return Err(Finding::new(open, "G2005", "this `(` has no closing `)`"));
        }
        let close = self.expect(&Token::Close(')'), "`)`")?;
        Ok(Ast { span: open.to(close), ..inner })
    }

    fn list(&mut self) -> Result<Ast, Finding> {
        let open = self.advance();
        let (items, close) = self.sequence(open, Token::Close(']'), "`,` or `]`")?;
        let depth = deepest(&items);
        self.node(AstKind::List(items), open.to(close), depth)
    }

    fn map(&mut self) -> Result<Ast, Finding> {
        let open = self.advance();
        let mut entries = Vec::new();
        let close = loop {
            if let Some(close) = self.accept(&Token::Close('}')) {
                break close;
            }
            if *self.peek() == Token::Question {
                return Err(absent(self.span(), "an optional entry"));
            }
            let key = self.expression()?;
            self.expect(&Token::Colon, "`:`")?;
            entries.push((key, self.expression()?));
            if entries.len() > self.limits.items {
                return Err(self.too_many(open));
            }
            if self.accept(&Token::Comma).is_none() {
                break self.expect(&Token::Close('}'), "`,` or `}`")?;
            }
        };
        let depth = entries.iter().map(|(key, value)| key.depth.max(value.depth)).max().unwrap_or(0);
        self.node(AstKind::Map(entries), open.to(close), depth)
    }

    /// A name, or a call of a function; `dot` stands before a name that no container can change.
    fn name(&mut self, dot: Option<Span>, name: String) -> Result<Ast, Finding> {
        let end = self.advance();
        let span = dot.map_or(end, |dot| dot.to(end));
        if *self.peek() != Token::Open('(') {
            let kind = if dot.is_some() { AstKind::Root(name) } else { AstKind::Name(name) };
            return self.node(kind, span, 0);
        }
        let value = if dot.is_some() { format!(".{name}") } else { name };
        let open = self.advance();
        let (args, close) = self.sequence(open, Token::Close(')'), "`,` or `)`")?;
        let depth = deepest(&args);
        let name = Spanned { value, span };
        self.node(AstKind::Call { receiver: None, name, args }, span.to(close), depth)
    }

    /// Fields, indices and method calls behind a primary.
    fn postfix(&mut self, mut ast: Ast) -> Result<Ast, Finding> {
        loop {
            ast = match self.peek() {
                Token::Dot => self.member(ast)?,
                Token::Open('[') => self.index(ast)?,
                Token::Open('{') if is_message_name(&ast) => {
                    let finding = absent(self.span(), "a protobuf message");
                    return Err(finding.help("there are no messages; a map is written `{'key': value}`"));
                }
                _ => return Ok(ast),
            };
        }
    }

    fn member(&mut self, ast: Ast) -> Result<Ast, Finding> {
        self.advance();
        let (start, depth) = (ast.span, ast.depth);
        let name = match self.peek().clone() {
            Token::Question => return Err(absent(self.span(), "an optional field")),
            Token::Name(name) => name,
            Token::Reserved(name) => name.to_owned(),
            Token::Quoted(name) => {
                let field = Spanned { value: name, span: self.advance() };
                let span = start.to(field.span);
                return self.node(AstKind::Quoted(Box::new(ast), field), span, depth);
            }
            other => return Err(self.unexpected(&other, "a name")),
        };
        let name = Spanned { value: name, span: self.advance() };
        if *self.peek() != Token::Open('(') {
            let span = start.to(name.span);
            return self.node(AstKind::Field(Box::new(ast), name), span, depth);
        }
        let open = self.advance();
        let (args, close) = self.sequence(open, Token::Close(')'), "`,` or `)`")?;
        let depth = depth.max(deepest(&args));
        let receiver = Some(Box::new(ast));
        self.node(AstKind::Call { receiver, name, args }, start.to(close), depth)
    }

    fn index(&mut self, ast: Ast) -> Result<Ast, Finding> {
        self.advance();
        if *self.peek() == Token::Question {
            return Err(absent(self.span(), "an optional index"));
        }
        let index = self.expression()?;
        let close = self.expect(&Token::Close(']'), "`]`")?;
        let (span, depth) = (ast.span.to(close), ast.depth.max(index.depth));
        self.node(AstKind::Index(Box::new(ast), Box::new(index)), span, depth)
    }

    /// Expressions between commas up to `close`; a comma may precede `close` in lists, as in CEL.
    fn sequence(&mut self, open: Span, close: Token, want: &str) -> Result<(Vec<Ast>, Span), Finding> {
        let mut items = Vec::new();
        loop {
            let trailing = items.is_empty() || close == Token::Close(']');
            if trailing && let Some(end) = self.accept(&close) {
                return Ok((items, end));
            }
            if *self.peek() == Token::Question {
                return Err(absent(self.span(), "an optional element"));
            }
            items.push(self.expression()?);
            if items.len() > self.limits.items {
                return Err(self.too_many(open));
            }
            if self.accept(&Token::Comma).is_none() {
                let end = self.expect(&close, want)?;
                return Ok((items, end));
            }
        }
    }
}

impl Parser {
    fn node(&self, kind: AstKind, span: Span, below: usize) -> Result<Ast, Finding> {
        let depth = below + 1;
        if depth > self.limits.depth { Err(self.too_deep(span)) } else { Ok(Ast { kind, span, depth }) }
    }

    fn pair(&self, op: BinaryOp, left: Ast, right: Ast) -> Result<Ast, Finding> {
        let span = left.span.to(right.span);
        let depth = left.depth.max(right.depth);
        self.node(AstKind::Binary(op, Box::new(left), Box::new(right)), span, depth)
    }

    /// One tree of the least depth over `operands`, in their order.
    fn balance(&self, op: BinaryOp, mut operands: Vec<Ast>) -> Result<Ast, Finding> {
        if operands.len() <= 1 {
            return operands.pop().ok_or_else(|| Finding::new(Span::default(), "G2005", "no operand"));
        }
        let right = operands.split_off(operands.len().div_ceil(2));
        self.pair(op, self.balance(op, operands)?, self.balance(op, right)?)
    }

    fn too_deep(&self, span: Span) -> Finding {
        Finding::new(span, "G2006", format!("nested deeper than {} levels", self.limits.depth))
    }

    fn too_many(&self, open: Span) -> Finding {
        Finding::new(open, "G2006", format!("more than {} items", self.limits.items))
    }
}

/// A construct of CEL that neither profile has.
fn absent(span: Span, what: &str) -> Finding {
    Finding::new(span, "G2010", format!("{what} is CEL but not supported"))
}

fn deepest(items: &[Ast]) -> usize {
    items.iter().map(|item| item.depth).max().unwrap_or(0)
}

/// Whether `{` behind this is the literal of a message.
fn is_message_name(ast: &Ast) -> bool {
    match &ast.kind {
        AstKind::Name(_) | AstKind::Root(_) => true,
        AstKind::Field(inner, _) => is_message_name(inner),
        _ => false,
    }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Int(value) | Token::Uint(value) => format!("`{value}`"),
        Token::Double(_) => "a number".to_owned(),
        Token::Text(_) => "a string".to_owned(),
        Token::Bytes(_) => "bytes".to_owned(),
        Token::Quoted(_) => "a quoted name".to_owned(),
        Token::Reserved(word) => format!("`{word}`"),
        Token::Null => "`null`".to_owned(),
        Token::Name(name) => format!("`{name}`"),
        Token::Bool(value) => format!("`{value}`"),
        Token::Binary(op) => format!("`{}`", op.symbol()),
        Token::Not => "`!`".to_owned(),
        Token::Question => "`?`".to_owned(),
        Token::Colon => "`:`".to_owned(),
        Token::Comma => "`,`".to_owned(),
        Token::Dot => "`.`".to_owned(),
        Token::Open(letter) | Token::Close(letter) => format!("`{letter}`"),
        Token::End => "the end".to_owned(),
    }
}

/// LIMIT: bytes of one condition.
pub(crate) const CONDITION_BYTES_MAX: usize = 16 << 10;

/// Limits of a condition.
const CONDITION: Limits = Limits { bytes: CONDITION_BYTES_MAX, depth: DEPTH_MAX, items: LIST_ITEMS_MAX };
