//! Principals: roles and sessions in ARNs.

/// The session name of an assumed role.
pub fn session(arn: &str) -> Option<&str> {
    let rest = resource(arn)?.strip_prefix("assumed-role/")?;
    let (_, session) = rest.split_once('/')?;
    (!session.is_empty()).then_some(session)
}

/// The ARN without what may name a person: a session or a federated user.
pub fn without_session(arn: &str) -> &str {
    let Some(rest) = resource(arn) else { return arn };
    let head = arn.len() - rest.len();
    if let Some(role) = rest.strip_prefix("assumed-role/")
        && let Some(slash) = role.find('/')
    {
        return &arn[..head + "assumed-role/".len() + slash];
    }
    if rest.starts_with("federated-user/") {
        return &arn[..head + "federated-user".len()];
    }
    arn
}

/// The resource part of an ARN, which may itself hold colons.
fn resource(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_from_its_role() {
        let arn = "arn:aws:sts::111122223333:assumed-role/App/jane@example.com";
        assert_eq!(session(arn), Some("jane@example.com"));
        assert_eq!(without_session(arn), "arn:aws:sts::111122223333:assumed-role/App");
        let user = "arn:aws:iam::111122223333:user/ci";
        assert_eq!((session(user), without_session(user)), (None, user));
        assert_eq!(without_session("arn:aws:sts::1:federated-user/jane"), "arn:aws:sts::1:federated-user");
        assert_eq!(without_session("not an arn"), "not an arn");
    }
}
