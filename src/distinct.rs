//! Distinct values by number: rows hold the number, and what follows from a value is found once.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Distinct values, numbered in the order in which they came.
#[derive(Debug, Clone)]
pub struct Distinct<Value> {
    all: Vec<Value>,
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<Value> Default for Distinct<Value> {
    fn default() -> Self {
        Self { all: Vec::new(), places: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<Value: Eq + Hash> Distinct<Value> {
    /// The number of a value that is known.
    pub fn find(&self, value: &Value) -> Option<u32> {
        self.places.find(self.hasher.hash_one(value), |at| self.all[*at as usize] == *value).copied()
    }

    /// The number of a value.
    pub fn number(&mut self, value: Value) -> u32 {
        let Self { all, places, hasher } = self;
        let hash = hasher.hash_one(&value);
        if let Some(known) = places.find(hash, |at| all[*at as usize] == value) {
            return *known;
        }
        let number = u32::try_from(all.len()).expect("fewer than 2^32 distinct values");
        all.push(value);
        places.insert_unique(hash, number, |at| hasher.hash_one(&all[*at as usize]));
        number
    }

    /// The value of a number.
    pub fn get(&self, number: u32) -> &Value {
        &self.all[number as usize]
    }

    /// Every value, by number.
    pub fn all(&self) -> &[Value] {
        &self.all
    }

    /// Bytes that the values take, without what they point to.
    pub fn bytes(&self) -> usize {
        const PLACE: usize = 5;
        self.all.capacity() * size_of::<Value>() + self.places.capacity() * PLACE
    }
}

/// By number: its place in an order of all numbers.
pub fn places(order: &[u32]) -> Vec<u32> {
    let mut places = vec![0; order.len()];
    for (number, place) in order.iter().zip(0..) {
        places[*number as usize] = place;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number() {
        let mut values = Distinct::default();
        let numbers = ["b", "a", "b", "c", "a"].map(|value| values.number(value));
        assert_eq!(numbers, [0, 1, 0, 2, 1]);
        assert_eq!(values.all(), ["b", "a", "c"]);
        assert_eq!((values.find(&"c"), values.find(&"d"), *values.get(1)), (Some(2), None, "a"));
    }
}
