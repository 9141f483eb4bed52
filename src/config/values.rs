//! Values that TOML may spell in more than one way.

use serde::{Deserialize, Deserializer};

use crate::clock;
use crate::money;

/// A date or instant, as TOML datetime or text, in epoch seconds UTC.
pub(super) fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let text = match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => text,
        toml::Value::Datetime(datetime) => datetime.to_string(),
        other => {
            return Err(serde::de::Error::custom(format!(
                "expected a date such as \"2026-11-22\" or a time such as \"2026-11-22T12:00:00Z\", not {}",
                other.type_str()
            )));
        }
    };
    clock::parse(&text).map(Some).map_err(serde::de::Error::custom)
}

/// A decimal number, as TOML number or text, in units of 1e-10.
pub(super) fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
    let text = match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => format!("{number:e}"),
        other => {
            return Err(serde::de::Error::custom(format!("expected a number, not {}", other.type_str())));
        }
    };
    money::from_decimal_text(&text).map_err(|error| serde::de::Error::custom(format!("`{text}` {error}")))
}
