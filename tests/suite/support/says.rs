//! Shows a meter as the words of the fixtures.

use billtag::classify::Meter;

/// The kind, then whatever differs from on demand, regional, standard context, runtime.
pub fn says(meter: &Meter) -> String {
    let mut words = vec![meter.kind.as_ref()];
    words.extend(meter.cache_ttl);
    let plain = ["on_demand", "regional", "standard", "runtime"];
    let parts = [meter.pricing_model, meter.routing, meter.context, meter.endpoint];
    words.extend(parts.into_iter().filter(|part| !plain.contains(part)));
    words.join(" ")
}
