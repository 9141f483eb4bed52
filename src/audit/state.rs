//! States: how a required key stands on a carrier, and what can carry it.

/// What can carry tags, in the order in which the ladder asks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// The line's own resource.
    Resource,
    /// The project or workspace that the line was called in.
    Project,
    /// The calling principal.
    Principal,
    /// A resource that called, by its session's name.
    Consumer,
    /// The account.
    Account,
}

/// Number of carriers.
pub const CARRIERS: usize = 5;

impl Carrier {
    /// All of them.
    pub const ALL: [Self; CARRIERS] = [Self::Resource, Self::Project, Self::Principal, Self::Consumer, Self::Account];

    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Project => "project",
            Self::Principal => "principal",
            Self::Consumer => "consumer",
            Self::Account => "account",
        }
    }
}

/// Why a tag that is there is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It has no value.
    Empty,
    /// Capitals that the proper key or value does not have, or the other way round.
    Case,
    /// Space around the value.
    Space,
    /// Another key or value that means the same.
    Alias,
    /// Other separators than the proper key or value has.
    Spelling,
    /// None of the values that the config allows.
    NotAllowed,
    /// A `Model` tag that names no model.
    NoModel,
}

impl Why {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Case => "case",
            Self::Space => "space",
            Self::Alias => "alias",
            Self::Spelling => "spelling",
            Self::NotAllowed => "not_allowed",
            Self::NoModel => "no_model",
        }
    }
}

/// The state of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Not required, or nothing that this carrier could say.
    #[default]
    NotApplicable,
    /// There, with a right value.
    Present,
    /// On no carrier of the line, though one could have it.
    Missing,
    /// There, but wrong: why, and in words.
    Invalid(Why, String),
    /// AWS knows the key, and nobody activated it: whether it is there, no bill can say.
    NotActivated,
    /// Nothing that could carry a tag.
    CannotBeTagged,
    /// There, and the bill says otherwise.
    Contradicts(String),
}

/// Names of the states that money can be in.
pub const STATES: [&str; 7] =
    ["present", "missing", "invalid", "not_activated", "cannot_be_tagged", "contradicts", "not_applicable"];

impl State {
    /// Whether there is nothing to mend.
    pub fn is_right(&self) -> bool {
        matches!(self, Self::NotApplicable | Self::Present)
    }

    /// Whether a tag is there, right or wrong.
    pub fn is_there(&self) -> bool {
        matches!(self, Self::Present | Self::Invalid(..) | Self::Contradicts(_))
    }

    /// Whether a tag would mend it.
    pub fn asks_for_a_tag(&self) -> bool {
        !self.is_right() && !matches!(self, Self::NotActivated)
    }

    /// Its place among all states.
    pub fn place(&self) -> usize {
        match self {
            Self::Present => 0,
            Self::Missing => 1,
            Self::Invalid(..) => 2,
            Self::NotActivated => 3,
            Self::CannotBeTagged => 4,
            Self::Contradicts(_) => 5,
            Self::NotApplicable => 6,
        }
    }

    /// Its name in data.
    pub fn name(&self) -> &'static str {
        STATES[self.place()]
    }

    /// Why it is invalid; empty where it is not.
    pub fn why(&self) -> &'static str {
        match self {
            Self::Invalid(why, _) => why.name(),
            _ => "",
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::NotApplicable => "not applicable".into(),
            Self::Present => "present".into(),
            Self::Missing => "missing".into(),
            Self::Invalid(_, words) => format!("invalid: {words}"),
            Self::NotActivated => "not activated as a cost allocation tag".into(),
            Self::CannotBeTagged => "cannot be tagged".into(),
            Self::Contradicts(words) => format!("contradicts the bill: {words}"),
        }
    }
}
