//! Names: the values of a dimension by number, with those first that stand for nobody.

use std::collections::BTreeSet;

use hashbrown::HashMap;

/// The values of a dimension, in the order in which they were met.
#[derive(Debug, Clone, Default)]
pub struct Names {
    ids: HashMap<String, u32>,
    names: Vec<String>,
    reserved: usize,
}

impl Names {
    /// A dimension whose first values are no names, so that a name may look like one of them.
    pub fn with(reserved: &[&str]) -> Self {
        let names = reserved.iter().map(|name| (*name).to_string()).collect();
        Self { ids: HashMap::new(), names, reserved: reserved.len() }
    }

    /// The number of a name.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.to_string());
        self.ids.insert(name.to_string(), id);
        id
    }

    /// The number of a name that was met.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// The name of a number.
    pub fn name(&self, id: u32) -> &str {
        self.names.get(id as usize).map_or("", String::as_str)
    }

    /// All names, those that stand for nobody left out.
    pub fn all(&self) -> &[String] {
        &self.names[self.reserved..]
    }

    /// Only the wanted names, sorted, with the reserved ones first; and the new number of each old one.
    pub fn only(&self, wanted: &BTreeSet<u32>) -> (Self, HashMap<u32, u32>) {
        let mut kept = Self::with(&[]);
        kept.names = self.names[..self.reserved].to_vec();
        kept.reserved = self.reserved;
        let mut moved: HashMap<u32, u32> = (0..self.reserved as u32).map(|id| (id, id)).collect();
        let mut named: Vec<u32> = wanted.iter().copied().filter(|id| *id as usize >= self.reserved).collect();
        named.sort_by(|a, b| self.name(*a).cmp(self.name(*b)));
        for id in named {
            moved.insert(id, kept.number(self.name(id)));
        }
        (kept, moved)
    }

    /// All values, as a page lists them.
    pub fn shown(&self) -> Vec<String> {
        self.names.iter().map(|name| crate::report::safe::plain(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_taken_for_what_stands_for_nobody() {
        let mut names = Names::with(&["unattributed"]);
        assert_eq!((names.number("z"), names.number("unattributed"), names.number("z")), (1, 2, 1));
        let (kept, moved) = names.only(&BTreeSet::from([1, 2]));
        assert_eq!(kept.shown(), ["unattributed", "unattributed", "z"]);
        assert_eq!((moved[&0], moved[&1], moved[&2]), (0, 2, 1));
    }
}
