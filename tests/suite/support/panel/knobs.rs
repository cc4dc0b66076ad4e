//! What can be asked of the panel's stand-ins, each with what it rests on, and the log of what was asked of
//! them.

use super::{PanelWorld, STATE};

/// A way in which an update of an account goes wrong.
///
/// None of them is documented. Each is what a program of another maker, run as root over hours on a live
/// host, may do.
#[derive(Clone, Debug)]
pub enum Knob {
    /// Takes this many seconds longer: every call of the vendor's programs starts the panel's PHP.
    Slow(f64),
    /// Does nothing for ten minutes.
    HangBefore,
    /// Does it, then hangs for ten minutes, as an event handler may that the panel runs after each change.
    HangAfter,
    /// Says that it failed, exit code 1, and did nothing.
    Fail,
    /// Does it, and says that it failed, exit code 1.
    DoAndFail,
    /// Says that it succeeded, and did nothing.
    Lie,
    /// Prints the account's password on standard error, besides; see [`super::CANARY`].
    PrintPassword,
    /// The server is killed before the update looks anything up, which then fails.
    KillServerBefore,
    /// The server is killed after the update was done, which says that it succeeded.
    KillServerAfter,
    /// Another administrator does this in SQL after the update; `@mail` is the account's id, `@user` that of
    /// its user.
    Meddle(String),
}

impl Knob {
    /// What may go wrong with one update, and the exit code of the run: 8 where it is undone, 9 where that is
    /// not known.
    pub const ACCIDENTS: [(Self, i32); 7] = [
        (Self::Fail, 8),
        (Self::DoAndFail, 8),
        (Self::Lie, 8),
        (Self::HangBefore, 8),
        (Self::HangAfter, 8),
        (Self::KillServerBefore, 9),
        (Self::KillServerAfter, 9),
    ];

    /// Somebody removes the account after the update.
    pub fn vanish() -> Self {
        Self::Meddle("DELETE FROM mail WHERE id = @mail;".to_owned())
    }

    /// The user of the account has another role after the update; from 10 on only.
    pub fn role_changes() -> Self {
        Self::Meddle("UPDATE smb_users SET roleId = 4 WHERE id = @user;".to_owned())
    }

    fn text(&self) -> (&'static str, String) {
        match self {
            Self::Slow(seconds) => ("slow", seconds.to_string()),
            Self::HangBefore => ("hang-before", String::new()),
            Self::HangAfter => ("hang-after", String::new()),
            Self::Fail => ("fail", String::new()),
            Self::DoAndFail => ("do-and-fail", String::new()),
            Self::Lie => ("lie", String::new()),
            Self::PrintPassword => ("print-password", String::new()),
            Self::KillServerBefore => ("kill-server-before", String::new()),
            Self::KillServerAfter => ("kill-server-after", String::new()),
            Self::Meddle(sql) => ("meddle", sql.clone()),
        }
    }
}

/// At which updates a [`Knob`] acts, counted from 1 since the world was made or [`PanelWorld::behave`] was
/// called.
///
/// An undo is updates too: [`When::At`] lets it succeed, [`When::From`] does not.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// At each.
    Always,
    /// At this one only.
    At(u32),
    /// At this one and all that follow.
    From(u32),
}

/// What `false` does with the user of an account, from 10 on. Not documented: all are played.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnFalse {
    /// The user stays, linked and locked. The only one that can be undone whole.
    Lock,
    /// The user stays, no longer linked.
    Unlink,
    /// The user is deleted and the link is cleared.
    Delete,
    /// The user is deleted and the link is left.
    Dangle,
}

impl OnFalse {
    /// All, for tests that hold on each.
    pub const ALL: [Self; 4] = [Self::Lock, Self::Unlink, Self::Delete, Self::Dangle];
}

/// What `true` does where an account has no user, from 10 on. Not documented: both are played.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnTrue {
    /// It makes one, or links the one that has the address as its login.
    CreatesUser,
    /// It refuses, exit code 1.
    NeedsUser,
}

/// How `mail --help` spells the option; only that is accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spelling {
    /// `-cp_access`: Plesk 7.5's help, and calls published until about 2010.
    Underscore,
    /// `-cp-access`: calls published from 2015 on. Which version began is not documented.
    Hyphen,
    /// Neither: no known release.
    Missing,
}

impl PanelWorld {
    /// Has the updates of accounts go wrong; several knobs act together.
    pub fn misbehave(&self, knob: &Knob, when: When) {
        let (first, last) = match when {
            When::Always => (1, u32::MAX),
            When::At(number) => (number, number),
            When::From(number) => (number, u32::MAX),
        };
        let (what, detail) = knob.text();
        let free = (1..)
            .map(|number| format!("{STATE}/wish-{number}"))
            .find(|path| !self.place.exists(path))
            .expect("numbers do not end");
        self.write(&free, format!("{what} {first} {last}\n{detail}\n"));
    }

    /// Ends all misbehaviour and begins to count anew.
    pub fn behave(&self) {
        let wishes = (1..).map(|number| format!("{STATE}/wish-{number}"));
        for path in wishes.take_while(|path| self.place.exists(path)) {
            self.remove(&path);
        }
        self.remove(&format!("{STATE}/updates"));
    }

    /// Says what `false` does with a user.
    pub fn set_on_false(&self, what: OnFalse) {
        self.set(
            "on-false",
            match what {
                OnFalse::Lock => "lock",
                OnFalse::Unlink => "unlink",
                OnFalse::Delete => "delete",
                OnFalse::Dangle => "dangle",
            },
        );
    }

    /// Says what `true` does without a user.
    pub fn set_on_true(&self, what: OnTrue) {
        self.set(
            "on-true",
            match what {
                OnTrue::CreatesUser => "creates-user",
                OnTrue::NeedsUser => "needs-user",
            },
        );
    }

    /// Says how the option is spelled.
    pub fn set_spelling(&self, spelling: Spelling) {
        self.set(
            "spelling",
            match spelling {
                Spelling::Underscore => "-cp_access",
                Spelling::Hyphen => "-cp-access",
                Spelling::Missing => "",
            },
        );
    }

    fn set(&self, name: &str, value: &str) {
        self.write(&format!("{STATE}/{name}"), format!("{value}\n"));
    }

    /// Returns the calls of the vendor's programs, oldest first: name and arguments with a blank between.
    pub fn calls(&self) -> Vec<String> {
        self.recorded(|program| program != "mysql")
    }

    /// Returns those of [`PanelWorld::calls`] that change an account.
    pub fn updates(&self) -> Vec<String> {
        let mut calls = self.calls();
        calls.retain(|call| call.contains(" -u ") || call.contains(" --update "));
        calls
    }

    /// Returns the calls of the database's client by its path in a tree. In a host the client is the real
    /// one, see [`PanelWorld::connections`].
    pub fn client_calls(&self) -> Vec<String> {
        self.recorded(|program| program == "mysql")
    }

    fn recorded(&self, which: impl Fn(&str) -> bool) -> Vec<String> {
        let path = format!("{STATE}/calls");
        if !self.place.exists(&path) {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(&self.read(&path)).into_owned();
        text.split_terminator('\u{1e}')
            .map(|call| call.split_terminator('\u{1f}').collect::<Vec<_>>())
            .filter(|words| which(words[0]))
            .map(|words| words.join(" "))
            .collect()
    }
}
