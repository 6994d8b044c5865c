//! Operator-precedence (Pratt) parser for conditions.
//!
//! Precedence and associativity are CEL's: `?:` binds loosest and to the right, its middle operand is not
//! another `?:` without parentheses; every binary operator binds to the left; `!` and `-` repeat but do not mix.
//! Chains of `&&` and of `||` become balanced trees (they are associative in CEL's four-valued logic), so a long
//! list of alternatives is not deep.

use super::ast::{Ast, AstKind, BinaryOp};
use super::lex::{Lexeme, Token, lex, unsupported};
use crate::diagnostic::{Span, Spanned};
use crate::source::Finding;
use glacis_wire::limits::{DEPTH_MAX, LIST_ITEMS_MAX};

/// Parses one condition.
pub(crate) fn parse(text: &str) -> Result<Ast, Finding> {
    if text.len() > CONDITION_BYTES_MAX {
        let message = format!("the condition has {} bytes; at most {CONDITION_BYTES_MAX}", text.len());
        return Err(Finding::new(Span::new(0, text.len()), "G2006", message));
    }
    let lexemes = lex(text)?;
    let mut parser = Parser { lexemes, at: 0, depth: 0 };
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
            Token::Open('{') => unsupported(span, "a map or message literal"),
            Token::Open('[') => unsupported(span, "indexing").help("to test membership write `x in [...]`"),
            Token::End => Finding::new(span, "G2005", format!("the condition ends where {want} is expected")),
            other => Finding::new(span, "G2005", format!("found {}, expected {want}", describe(other))),
        }
    }

    /// `a ? b : c` and everything that binds tighter.
    fn expression(&mut self) -> Result<Ast, Finding> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep(self.span()));
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
            node(AstKind::If(Box::new(condition), Box::new(yes), Box::new(no)), span, depth)?
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
                left = balance(op, operands)?;
            } else {
                self.advance();
                let right = self.binary(op.power() + 1)?;
                left = pair(op, left, right)?;
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
        node(if op == Token::Not { AstKind::Not(inner) } else { AstKind::Neg(inner) }, span, depth)
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
        node(kind, span, 0).map(Some)
    }

    fn primary(&mut self) -> Result<Ast, Finding> {
        let token = self.peek().clone();
        let kind = match token {
            Token::Bool(value) => AstKind::Bool(value),
            Token::Int(value) => match i64::try_from(value) {
                Ok(value) => AstKind::Int(value),
                Err(_) => return Err(Finding::new(self.span(), "G2003", "number out of the range of int")),
            },
            Token::Double(value) => AstKind::Double(value),
            Token::Text(text) => AstKind::Text(text),
            Token::Name(name) => return self.name(name),
            Token::Open('(') => return self.parenthesised(),
            Token::Open('[') => return self.list(),
            Token::Dot => return Err(unsupported(self.span(), "a name with a leading dot")),
            other => return Err(self.unexpected(&other, "a value")),
        };
        let span = self.advance();
        node(kind, span, 0)
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
        let depth = items.iter().map(|item| item.depth).max().unwrap_or(0);
        node(AstKind::List(items), open.to(close), depth)
    }

    /// A name, or a call of a function.
    fn name(&mut self, name: String) -> Result<Ast, Finding> {
        let span = self.advance();
        if *self.peek() != Token::Open('(') {
            return node(AstKind::Name(name), span, 0);
        }
        let open = self.advance();
        let (args, close) = self.sequence(open, Token::Close(')'), "`,` or `)`")?;
        let depth = args.iter().map(|arg| arg.depth).max().unwrap_or(0);
        let name = Spanned { value: name, span };
        node(AstKind::Call { receiver: None, name, args }, span.to(close), depth)
    }

    /// Fields and method calls behind a primary.
    fn postfix(&mut self, mut ast: Ast) -> Result<Ast, Finding> {
        loop {
            if *self.peek() == Token::Open('[') || *self.peek() == Token::Open('{') {
                return Err(self.unexpected(&self.peek().clone(), "an operator"));
            }
            if self.accept(&Token::Dot).is_none() {
                return Ok(ast);
            }
            if *self.peek() == Token::Question {
                return Err(unsupported(self.span(), "an optional field"));
            }
            let Token::Name(name) = self.peek().clone() else {
                return Err(self.unexpected(&self.peek().clone(), "a name"));
            };
            let name = Spanned { value: name, span: self.advance() };
            let (start, depth) = (ast.span, ast.depth);
            ast = if *self.peek() == Token::Open('(') {
                let open = self.advance();
                let (args, close) = self.sequence(open, Token::Close(')'), "`,` or `)`")?;
                let depth = args.iter().map(|arg| arg.depth).fold(depth, usize::max);
                let receiver = Some(Box::new(ast));
                node(AstKind::Call { receiver, name, args }, start.to(close), depth)?
            } else {
                let span = start.to(name.span);
                node(AstKind::Field(Box::new(ast), name), span, depth)?
            };
        }
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
                return Err(unsupported(self.span(), "an optional element"));
            }
            items.push(self.expression()?);
            if items.len() > LIST_ITEMS_MAX {
                return Err(Finding::new(open, "G2006", format!("more than {LIST_ITEMS_MAX} items")));
            }
            if self.accept(&Token::Comma).is_none() {
                let end = self.expect(&close, want)?;
                return Ok((items, end));
            }
        }
    }
}

fn node(kind: AstKind, span: Span, below: usize) -> Result<Ast, Finding> {
    let depth = below + 1;
    if depth > DEPTH_MAX { Err(too_deep(span)) } else { Ok(Ast { kind, span, depth }) }
}

fn pair(op: BinaryOp, left: Ast, right: Ast) -> Result<Ast, Finding> {
    let span = left.span.to(right.span);
    let depth = left.depth.max(right.depth);
    node(AstKind::Binary(op, Box::new(left), Box::new(right)), span, depth)
}

/// One tree of the least depth over `operands`, in their order.
fn balance(op: BinaryOp, mut operands: Vec<Ast>) -> Result<Ast, Finding> {
    if operands.len() <= 1 {
        return operands.pop().ok_or_else(|| Finding::new(Span::default(), "G2005", "no operand"));
    }
    let right = operands.split_off(operands.len().div_ceil(2));
    pair(op, balance(op, operands)?, balance(op, right)?)
}

fn too_deep(span: Span) -> Finding {
    Finding::new(span, "G2006", format!("nested deeper than {DEPTH_MAX} levels"))
}

fn describe(token: &Token) -> String {
    match token {
        Token::Int(value) => format!("`{value}`"),
        Token::Double(_) => "a number".to_owned(),
        Token::Text(_) => "a string".to_owned(),
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
