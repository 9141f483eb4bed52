//! The script of fixes, for review: run as it is, it prints every command and runs none.

use super::shell;
use super::show::{self, faults};
use super::{Audit, Item, State};
use crate::report::{safe, words};

const HEAD: &str = "\
#!/usr/bin/env bash
# What would mend the gaps that `billtag audit` found. Read it first: run as it is, it only prints the commands.
# With BILLTAG_APPLY=yes it runs those that begin with `run`, and with `of ACCOUNT` where the credentials are that account's: a role's
# name says nothing of its account. A command that begins with `todo` is never run: a value in
# <angle brackets> is still to be filled in, or one is what only measurements or the account say, and to be confirmed. Tags of an IAM role, user or account take a day to reach the bill.
failed=0
run() {
  if [ \"${BILLTAG_APPLY:-}\" = yes ]; then
    \"$@\" || failed=1
  else
    printf '%q ' \"$@\"
    printf '\\n'
  fi
}
own=
of() {
  account=$1
  shift
  if [ \"${BILLTAG_APPLY:-}\" = yes ]; then
    [ -n \"$own\" ] || own=$(aws sts get-caller-identity --query Account --output text) || exit 1
    if [ \"$own\" != \"$account\" ]; then
      printf '# of account %s, and these are credentials of %s: ' \"$account\" \"$own\"
      printf '%q ' \"$@\"
      printf '\\n'
      return
    fi
  fi
  run \"$@\"
}
todo() {
  printf '# to do: '
  printf '%q ' \"$@\"
  printf '\\n'
}
";

/// The script.
pub fn text(audit: &Audit) -> String {
    let mut out = String::from(HEAD);
    let mut activations: Vec<&Vec<String>> = audit.open_items().flat_map(|item| &item.fix.activations).collect();
    activations.sort();
    activations.dedup();
    if !activations.is_empty() {
        out.push_str(
            "\n# Keys that AWS knows and nobody activated, in the payer account; for old lines, ask for a backfill.\n",
        );
    }
    for words in activations {
        out.push_str(&call(words, "run"));
    }
    for (at, item) in audit.open_items().enumerate() {
        out.push_str(&part(audit, item, at + 1));
    }
    out.push_str("\nexit \"$failed\"\n");
    out
}

/// What the script says and does about an item.
fn part(audit: &Audit, item: &Item, number: usize) -> String {
    let (cost, currency) = (words::amount(item.days.debt()), words::currency(&item.currency));
    let days = show::window(audit);
    let mut out = String::from("\n");
    let mut note = |text: &str| out.push_str(&format!("# {}\n", safe::plain(text)));
    note(&format!("{number}: {cost} {currency} in {days}, {} {}", item.carrier.name(), item.id));
    note(&faults(item));
    if let Some(likely) = &item.likely {
        note(&format!("likely owner: {}", show::likely(likely)));
    }
    if item.states.contains(&State::CannotBeTagged) {
        note("finer than the account: an application inference profile, a project or a role of its own, tagged");
    }
    let split = item.fix.split_words();
    if !split.is_empty() {
        note(&split);
    }
    if !item.fix.terraform.is_empty() {
        note(&format!("Terraform: {}", item.fix.terraform));
    }
    if !item.fix.advice.is_empty() {
        note(&item.fix.advice);
    }
    if !item.fix.words.is_empty() {
        let by = match item.fix.only_of.as_str() {
            _ if item.fix.is_open => "todo".to_string(),
            "" => "run".to_string(),
            account => format!("of {}", shell::quote(account)),
        };
        out.push_str(&call(&item.fix.words, &by));
    }
    out
}

fn call(words: &[String], by: &str) -> String {
    // No argument of a program can hold this character, and no shell can pass it on.
    if words.iter().any(|word| word.contains('\0')) {
        return "# a name holds a NUL character, which no command can carry\n".into();
    }
    format!("{by} {}\n", shell::command(words))
}
