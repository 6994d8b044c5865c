//! How a margin becomes an answer, and the way back for thresholds.
//!
//! The logarithm is made of additions, multiplications and divisions alone, which IEEE 754 defines to the last bit:
//! a threshold comes out the same on every machine, without a library for mathematics.

/// What a margin means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The margin is the answer.
    Identity,
    /// The margin is the logarithm of the odds.
    Logistic,
}

impl Link {
    /// Stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Logistic => "logistic",
        }
    }

    /// The margin at which a model's answer is `answer`: for [`Link::Logistic`] a probability. `None` where no
    /// margin gives that answer.
    pub fn margin_of(self, answer: f64) -> Option<f64> {
        match self {
            Self::Identity => answer.is_finite().then_some(answer),
            Self::Logistic => (answer > 0.0 && answer < 1.0).then(|| ln(answer) - ln(1.0 - answer)),
        }
    }
}

/// The natural logarithm of a positive, finite number, to a few units in the last place.
pub(crate) fn ln(value: f64) -> f64 {
    // Subnormal numbers are scaled up first.
    let (value, shift) = if value < f64::MIN_POSITIVE { (value * TWO_54, -54) } else { (value, 0) };
    let bits = value.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0) - 1023 + shift;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    let (mantissa, exponent) = if mantissa > core::f64::consts::SQRT_2 {
        (mantissa / 2.0, exponent + 1)
    } else {
        (mantissa, exponent)
    };
    // ln(m) = 2 artanh((m - 1) / (m + 1)), where the quotient is at most 0.172.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let mut sum = 0.0;
    let mut odd = SERIES_LAST;
    while odd > 1.0 {
        sum = (sum + 1.0 / odd) * square;
        odd -= 2.0;
    }
    let whole = f64::from(exponent);
    (2.0 * z * sum + whole * LN_2_LOW) + 2.0 * z + whole * LN_2_HIGH
}

/// 2^54.
const TWO_54: f64 = 18_014_398_509_481_984.0;
/// Last term of the series: 0.172^24 / 25 is below 2^-64.
const SERIES_LAST: f64 = 25.0;
/// ln 2 in two parts; the high one has so few bits that its product with an exponent is exact. Source: fdlibm, e_log.c.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;

    #[test]
    fn the_logarithm_is_the_systems_within_a_few_units_in_the_last_place() {
        let mut value = 5e-324_f64;
        while value < f64::MAX / 2.0 {
            for x in [value, value * 1.37] {
                let (own, system) = (ln(x), std::primitive::f64::ln(x));
                assert!(
                    (own - system).abs() <= 4.0 * f64::EPSILON * system.abs(),
                    "ln({x}) = {own}, {system}"
                );
            }
            value *= 1.91;
        }
        for near in [1.0, 1.0 + f64::EPSILON, 1.0 - f64::EPSILON, 0.999_999, 1.000_001] {
            let (own, system) = (ln(near), std::primitive::f64::ln(near));
            assert!(
                (own - system).abs() <= 4.0 * f64::EPSILON * system.abs(),
                "ln({near}) = {own}, {system}"
            );
        }
    }

    #[test]
    fn only_answers_that_a_margin_gives_have_one() {
        for none in [0.0, 1.0, -0.5, 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Link::Logistic.margin_of(none), None);
        }
        assert_eq!(Link::Logistic.margin_of(0.5), Some(0.0));
        assert_eq!(Link::Identity.margin_of(-7.5), Some(-7.5));
        assert_eq!(Link::Identity.margin_of(f64::NAN), None);
        let margin = Link::Logistic.margin_of(0.9).unwrap();
        assert!((margin - 9.0_f64.ln()).abs() < 1e-14);
    }
}
