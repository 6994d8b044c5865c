//! Outcomes of conditions.

use super::outcome_of;

/// Each row: expression, inputs, outcome (`Σ`, or `Σ | Σ⁻` where they differ).
fn check(rows: &[(&str, &str, &str)]) {
    for (expression, inputs, want) in rows {
        assert_eq!(outcome_of(expression, inputs), *want, "{expression} with {inputs}");
    }
}

#[test]
fn a_deciding_value_beats_unknown_and_unknown_beats_error() {
    check(&[
        ("(|| b1 b2)", "b1=?withheld b2=true", "true"),
        ("(|| b1 b2)", "b1=true b2=error", "true"),
        ("(|| b1 b2)", "b1=error b2=true", "true"),
        ("(|| b1 b2)", "b1=?withheld b2=false", "unknown(withheld)"),
        ("(|| b1 b2)", "b1=false b2=error", "error"),
        ("(|| b1 b2)", "b1=error b2=?denied", "unknown(denied)"),
        ("(|| b1 b2)", "b1=?withheld b2=?denied", "unknown(withheld+denied)"),
        ("(|| b1 b2)", "b1=false b2=false", "false"),
        ("(&& b1 b2)", "b1=?withheld b2=false", "false"),
        ("(&& b1 b2)", "b1=false b2=error", "false"),
        ("(&& b1 b2)", "b1=?withheld b2=true", "unknown(withheld)"),
        ("(&& b1 b2)", "b1=true b2=error", "error"),
        ("(&& b1 b2)", "b1=error b2=?denied", "unknown(denied)"),
        ("(&& b1 b2)", "b1=?absent b2=?denied", "unknown(absent+denied)"),
        ("(&& b1 b2)", "b1=true b2=true", "true"),
        ("(! b1)", "b1=true", "false"),
        ("(! b1)", "b1=?version", "unknown(version)"),
        ("(! b1)", "b1=error", "error"),
    ]);
}

#[test]
fn strict_operators_unite_the_causes_of_their_operands() {
    check(&[
        ("(== i1 i2)", "i1=?withheld i2=?inexact", "unknown(withheld+inexact)"),
        ("(< i1 i2)", "i1=error i2=?inexact", "unknown(inexact)"),
        ("(< i1 i2)", "i1=error i2=1", "error"),
        ("(> (+ i1 i2) 3)", "i1=?denied i2=2", "unknown(denied)"),
        ("(in i1 l1)", "i1=1 l1=?unavailable", "unknown(unavailable)"),
        ("(== (neg i1) 3)", "i1=?version", "unknown(version)"),
        ("(== (size s1) 3)", "s1=error", "error"),
        ("(starts s1 s2)", "s1=?withheld s2=error", "unknown(withheld)"),
    ]);
}

#[test]
fn an_unknown_choice_has_the_causes_of_its_condition_only() {
    check(&[
        ("(? b1 b2 b3)", "b1=true b2=false b3=error", "false"),
        ("(? b1 b2 b3)", "b1=false b2=?withheld b3=true", "true"),
        ("(? b1 b2 b3)", "b1=true b2=?denied b3=true", "unknown(denied)"),
        ("(? b1 b2 b3)", "b1=?withheld b2=?denied b3=true", "unknown(withheld)"),
        ("(? b1 b2 b3)", "b1=?withheld b2=true b3=true", "unknown(withheld)"),
        ("(? b1 b2 b3)", "b1=error b2=true b3=true", "error"),
        ("(== (? b1 s1 'b') 'a')", "b1=true s1='a'", "true"),
    ]);
}

#[test]
fn missing_is_knowledge_to_has_and_an_error_to_use() {
    check(&[
        ("(has b1)", "b1=missing", "false"),
        ("(has b1)", "b1=false", "true"),
        ("(has b1)", "b1=error", "error"),
        ("(has b1)", "b1=?withheld", "unknown(withheld)"),
        ("(has b1)", "", "unknown(pending)"),
        ("b1", "b1=missing", "error"),
        ("(&& (has i1) (> i1 3))", "i1=missing", "false"),
        ("(|| (! (has i1)) (> i1 3))", "i1=missing", "true"),
    ]);
}

#[test]
fn below_its_min_trust_every_answer_is_withheld_whatever_its_kind() {
    check(&[
        ("b1", "b1~true", "true | unknown(withheld)"),
        ("b1", "b1~false", "false | unknown(withheld)"),
        ("b1", "b1~error", "error | unknown(withheld)"),
        ("b1", "b1~missing", "error | unknown(withheld)"),
        ("b1", "b1~?denied", "unknown(denied) | unknown(withheld)"),
        ("(has b1)", "b1~missing", "false | unknown(withheld)"),
        ("(has b1)", "b1~true", "true | unknown(withheld)"),
        ("(&& b1 b2)", "b1~true b2=false", "false"),
        ("(? b1 b2 b3)", "b1~true b3=true", "unknown(pending) | unknown(withheld)"),
    ]);
}

#[test]
fn an_answer_of_another_type_is_an_error() {
    check(&[
        ("(== i1 1)", "i1=true", "error"),
        ("(== d1 1.0)", "d1=1", "error"),
        ("(in i1 l1)", "i1=1 l1=['1']", "error"),
        ("(has i1)", "i1='1'", "error"),
    ]);
}

#[test]
fn int_arithmetic_is_checked() {
    check(&[
        ("(== (+ i1 1) 0)", "i1=9223372036854775807", "error"),
        ("(== (- i1 1) 0)", "i1=-9223372036854775808", "error"),
        ("(== (* i1 2) 0)", "i1=9223372036854775807", "error"),
        ("(== (/ i1 i2) 0)", "i1=1 i2=0", "error"),
        ("(== (% i1 i2) 0)", "i1=1 i2=0", "error"),
        ("(== (/ i1 i2) 0)", "i1=-9223372036854775808 i2=-1", "error"),
        ("(== (% i1 i2) 0)", "i1=-9223372036854775808 i2=-1", "error"),
        ("(== (neg i1) 0)", "i1=-9223372036854775808", "error"),
        ("(== (/ i1 i2) -2)", "i1=-7 i2=3", "true"),
        ("(== (% i1 i2) -1)", "i1=-7 i2=3", "true"),
        ("(|| (> (/ 9 i1) 1) b1)", "i1=0 b1=true", "true"),
    ]);
}

#[test]
fn doubles_follow_ieee() {
    check(&[
        ("(== d1 d2)", "d1=nan d2=nan", "false"),
        ("(!= d1 d2)", "d1=nan d2=nan", "true"),
        ("(< d1 1.5)", "d1=nan", "false"),
        ("(<= d1 1.5)", "d1=nan", "false"),
        ("(> d1 1.5)", "d1=nan", "false"),
        ("(>= d1 1.5)", "d1=nan", "false"),
        ("(== d1 d2)", "d1=0.0 d2=-0.0", "true"),
        ("(< d1 d2)", "d1=-0.0 d2=0.0", "false"),
        ("(== (/ 1.0 d1) inf)", "d1=0.0", "true"),
        ("(== (+ d1 0.5) 1.0)", "d1=0.5", "true"),
        ("(== (neg d1) -0.5)", "d1=0.5", "true"),
    ]);
}

#[test]
fn text_is_compared_by_bytes_and_counted_in_code_points() {
    check(&[
        ("(== (size s1) 2)", "s1='é€'", "true"),
        ("(== (size s1) 0)", "s1=''", "true"),
        ("(< s1 s2)", "s1='Z' s2='a'", "true"),
        ("(< s1 s2)", "s1='z' s2='é'", "true"),
        ("(starts s1 'ab')", "s1='abc'", "true"),
        ("(starts s1 'bc')", "s1='abc'", "false"),
        ("(ends s1 'bc')", "s1='abc'", "true"),
        ("(contains s1 'x')", "s1='abc'", "false"),
        ("(contains s1 '')", "s1=''", "true"),
    ]);
}

#[test]
fn lists_hold_and_compare_by_equality() {
    check(&[
        ("(in i1 [1,2,3])", "i1=3", "true"),
        ("(in i1 [1,2,3])", "i1=4", "false"),
        ("(in i1 [])", "i1=4", "false"),
        ("(in d1 [0.5,nan])", "d1=nan", "false"),
        ("(in s1 t1)", "s1='b' t1=['a','b']", "true"),
        ("(== l1 [1,2])", "l1=[1,2]", "true"),
        ("(!= l1 [1,2])", "l1=[2,1]", "true"),
        ("(== l1 [])", "l1=[]", "true"),
        ("(== (size l1) 2)", "l1=[2,1]", "true"),
        ("(== (size t1) 0)", "t1=[]", "true"),
        ("(< b1 b2)", "b1=false b2=true", "true"),
    ]);
}
