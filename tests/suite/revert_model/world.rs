//! The world of the model: what the kernel, the disk, memory and each process have, and what may happen next.

/// The rules that the kernel has, or that a boot loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rules {
    Before,
    Changed,
}

/// The record in mailward's state on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    Nothing,
    Open,
    Confirmed,
}

/// What the window's folder says; [`Folder::Lost`] where it is gone, or holds nothing that names the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    Lost,
    Open,
    Confirmed,
    Reverting,
    Reverted,
    Closed,
}

/// How far a watcher is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watcher {
    /// None was started.
    Never,
    /// It was killed.
    Dead,
    Waits,
    /// It has tried to take the decision, and will load.
    Loads,
    Ended,
}

/// How far the apply is, or a confirmation; the lock keeps them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Run {
    NotBegun,
    /// The record is written.
    Recorded,
    /// The timer runs.
    Armed,
    /// The rules are live, and are being looked at.
    Loaded,
    /// A confirmation has looked at the connection and at the rules.
    Looked,
    /// It has decided in the window's folder.
    Decided,
    /// It has written that down on the disk.
    Durable,
    /// A boot loads the rules.
    Boots,
    Ended,
}

/// What may go wrong, each so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Faults {
    kills_of_watchers: u8,
    kills_of_runs: u8,
    boots: u8,
    spoils: u8,
}

/// A mend that can be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mend {
    /// A timer that cannot rename loads all the same.
    LoadsWithoutRename,
    /// A timer whose file is gone loads all the same.
    LoadsWithoutFile,
    /// A watcher that was killed is replaced.
    Replaced,
    /// An apply looks last whether its change is still live.
    LooksLast,
    /// A confirmation over the connection of before is refused.
    NewConnections,
    /// The next run completes a confirmation that was killed.
    CompletesConfirmation,
    /// A boot has what was confirmed last, whatever others had saved.
    BootKnowsWhatWasConfirmed,
    /// What is told to be confirmed has no watcher any more that could take it back.
    LooksForWatchers,
}

impl Mend {
    pub const ALL: [Self; 8] = [
        Self::LoadsWithoutRename,
        Self::LoadsWithoutFile,
        Self::Replaced,
        Self::LooksLast,
        Self::NewConnections,
        Self::CompletesConfirmation,
        Self::BootKnowsWhatWasConfirmed,
        Self::LooksForWatchers,
    ];

    /// What breaks without it.
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::LoadsWithoutRename
            | Self::LoadsWithoutFile
            | Self::Replaced
            | Self::BootKnowsWhatWasConfirmed => "it stays",
            Self::LooksLast => "it was not live",
            Self::NewConnections => "an old connection",
            Self::CompletesConfirmation => "half confirmed",
            Self::LooksForWatchers => "it went back",
        }
    }
}

/// One step of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    ApplyGoesOn,
    ConfirmFromNew,
    ConfirmFromOld,
    ConfirmGoesOn,
    WatcherGoesOn(usize),
    WatcherIsReplaced(usize),
    TimeIsUp,
    NextRun,
    KillWatcher(usize),
    KillRun,
    Boot,
    LoseFolder,
    MemoryFails,
    DiskFails,
    MemoryWorksAgain,
    DiskWorksAgain,
    OthersSave,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct World {
    kernel: Rules,
    /// What was confirmed last, which mailward loads at a boot.
    boot: Rules,
    /// What another program has saved, and loads at a boot before mailward does.
    saved: Rules,
    record: Record,
    folder: Folder,
    /// The script from which systemd starts a watcher again; of two each can make the other from its memory.
    script: bool,
    memory_writable: bool,
    disk_writable: bool,
    time_is_up: bool,
    booted: bool,
    /// systemd starts a watcher again; elsewhere two look after each other.
    systemd: bool,
    watchers: [Watcher; 2],
    apply: Run,
    confirm: Run,
    /// Somebody who may has confirmed it, whether or not he was told that it took.
    decided: bool,
    told_confirmed: bool,
    confirmed_from_old: bool,
    lied: bool,
    faults: Faults,
    without: Option<Mend>,
}

impl World {
    /// A host of each kind, before an apply.
    pub fn starts() -> Vec<Self> {
        [true, false]
            .into_iter()
            .map(|systemd| Self {
                kernel: Rules::Before,
                boot: Rules::Before,
                saved: Rules::Before,
                record: Record::Nothing,
                folder: Folder::Lost,
                script: false,
                memory_writable: true,
                disk_writable: true,
                time_is_up: false,
                booted: false,
                systemd,
                watchers: [Watcher::Never; 2],
                apply: Run::NotBegun,
                confirm: Run::NotBegun,
                decided: false,
                told_confirmed: false,
                confirmed_from_old: false,
                lied: false,
                faults: Faults { kills_of_watchers: 2, kills_of_runs: 2, boots: 1, spoils: 2 },
                without: None,
            })
            .collect()
    }

    pub fn without(mut self, mend: Mend) -> Self {
        self.without = Some(mend);
        self
    }

    fn has(&self, mend: Mend) -> bool {
        self.without != Some(mend)
    }

    /// Whether somebody holds the lock.
    fn is_locked(&self) -> bool {
        let runs = |run| !matches!(run, Run::NotBegun | Run::Ended);
        runs(self.apply) || runs(self.confirm)
    }

    fn lives(watcher: Watcher) -> bool {
        matches!(watcher, Watcher::Waits | Watcher::Loads)
    }

    /// Whether this watcher is dead and somebody would notice.
    fn is_missed(&self, one: usize) -> bool {
        let somebody = match self.systemd {
            true => self.script,
            false => Self::lives(self.watchers[1 - one]),
        };
        self.watchers[one] == Watcher::Dead && somebody
    }

    /// Everything that may happen now.
    pub fn acts(&self) -> Vec<Act> {
        let mut acts = self.steps();
        let faults = self.faults;
        if faults.kills_of_watchers > 0 {
            for one in 0..2 {
                // Both at once, or the last one and the script, is the limit that is documented.
                let alone =
                    !self.systemd && !Self::lives(self.watchers[1 - one]) || self.systemd && !self.script;
                if Self::lives(self.watchers[one]) && !alone {
                    acts.push(Act::KillWatcher(one));
                }
            }
        }
        if faults.kills_of_runs > 0 && self.is_locked() {
            acts.push(Act::KillRun);
        }
        if faults.boots > 0 && self.apply != Run::NotBegun {
            acts.push(Act::Boot);
        }
        if faults.spoils > 0 && self.apply != Run::NotBegun {
            // As above: while one is dead, the script is what brings it back under systemd.
            let needed = self.systemd && self.watchers.contains(&Watcher::Dead);
            if self.folder != Folder::Lost && !needed {
                acts.push(Act::LoseFolder);
            }
            if self.memory_writable {
                acts.push(Act::MemoryFails);
            }
            if self.disk_writable {
                acts.push(Act::DiskFails);
            }
        }
        if !self.memory_writable {
            acts.push(Act::MemoryWorksAgain);
        }
        if !self.disk_writable {
            acts.push(Act::DiskWorksAgain);
        }
        if self.saved != self.kernel {
            acts.push(Act::OthersSave);
        }
        acts
    }

    /// What somebody does next, nothing going wrong.
    fn steps(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.apply != Run::Ended && self.confirm == Run::NotBegun {
            acts.push(Act::ApplyGoesOn);
        }
        if self.apply == Run::Ended && self.confirm == Run::NotBegun {
            acts.extend([Act::ConfirmFromNew, Act::ConfirmFromOld]);
        }
        if !matches!(self.confirm, Run::NotBegun | Run::Ended) {
            acts.push(Act::ConfirmGoesOn);
        }
        for one in 0..2 {
            if Self::lives(self.watchers[one]) {
                acts.push(Act::WatcherGoesOn(one));
            }
            if self.is_missed(one) && self.has(Mend::Replaced) {
                acts.push(Act::WatcherIsReplaced(one));
            }
        }
        if !self.time_is_up && self.apply != Run::NotBegun {
            acts.push(Act::TimeIsUp);
        }
        if !self.is_locked() && self.apply == Run::Ended {
            acts.push(Act::NextRun);
        }
        acts
    }

    pub fn after(&self, act: Act) -> Self {
        let mut next = self.clone();
        match act {
            Act::ApplyGoesOn => next.apply_goes_on(),
            Act::ConfirmFromNew => next.confirm_begins(true),
            Act::ConfirmFromOld => next.confirm_begins(false),
            Act::ConfirmGoesOn => next.confirm_goes_on(),
            Act::WatcherGoesOn(one) => next.watcher_goes_on(one),
            // It looks first of all.
            Act::WatcherIsReplaced(one) if next.ends() => next.watchers[one] = Watcher::Ended,
            Act::WatcherIsReplaced(one) => next.watchers[one] = Watcher::Waits,
            Act::TimeIsUp => next.time_is_up = true,
            Act::NextRun => next.next_run(),
            Act::KillWatcher(one) => {
                next.watchers[one] = Watcher::Dead;
                next.faults.kills_of_watchers -= 1;
            }
            Act::KillRun => {
                next.faults.kills_of_runs -= 1;
                match next.confirm {
                    Run::NotBegun | Run::Ended => next.apply = Run::Ended,
                    _ => next.confirm = Run::Ended,
                }
            }
            Act::Boot => {
                next.faults.boots -= 1;
                next.kernel = match next.has(Mend::BootKnowsWhatWasConfirmed) {
                    true => next.boot,
                    false => next.saved,
                };
                (next.folder, next.script) = (Folder::Lost, false);
                (next.memory_writable, next.disk_writable) = (true, true);
                next.booted = true;
                next.watchers = [Watcher::Never; 2];
                next.apply = Run::Ended;
                next.confirm = Run::Ended;
            }
            Act::LoseFolder => {
                next.faults.spoils -= 1;
                (next.folder, next.script) = (Folder::Lost, false);
            }
            Act::MemoryFails => {
                next.faults.spoils -= 1;
                next.memory_writable = false;
            }
            Act::DiskFails => {
                next.faults.spoils -= 1;
                next.disk_writable = false;
            }
            Act::MemoryWorksAgain => next.memory_writable = true,
            Act::DiskWorksAgain => next.disk_writable = true,
            Act::OthersSave => next.saved = next.kernel,
        }
        next
    }

    fn apply_goes_on(&mut self) {
        self.apply = match self.apply {
            Run::NotBegun if self.disk_writable => {
                self.record = Record::Open;
                Run::Recorded
            }
            Run::Recorded if self.memory_writable => {
                (self.folder, self.script) = (Folder::Open, true);
                self.watchers[0] = Watcher::Waits;
                if !self.systemd {
                    self.watchers[1] = Watcher::Waits;
                }
                Run::Armed
            }
            // What loads ends before the window does.
            Run::Armed if !self.time_is_up => {
                self.kernel = Rules::Changed;
                Run::Loaded
            }
            Run::Loaded => {
                let live = self.folder == Folder::Open && !self.time_is_up;
                if live || !self.has(Mend::LooksLast) {
                    // It tells that it is live.
                    self.lied |= self.kernel != Rules::Changed;
                } else {
                    self.take_back();
                }
                Run::Ended
            }
            // What cannot be written down, or in time, is not begun.
            _ => {
                self.take_back();
                Run::Ended
            }
        };
    }

    fn confirm_begins(&mut self, new: bool) {
        let open = self.record == Record::Open
            && self.folder == Folder::Open
            && !self.time_is_up
            && !self.booted
            && self.kernel == Rules::Changed;
        self.confirm = if open && (new || !self.has(Mend::NewConnections)) {
            self.confirmed_from_old = !new;
            Run::Looked
        } else {
            Run::Ended
        };
    }

    fn confirm_goes_on(&mut self) {
        self.confirm = match self.confirm {
            Run::Looked if self.folder == Folder::Open && self.memory_writable => {
                self.folder = Folder::Confirmed;
                self.decided = true;
                Run::Decided
            }
            Run::Decided if self.disk_writable => {
                self.record = Record::Confirmed;
                Run::Durable
            }
            Run::Durable if self.disk_writable && self.kernel == Rules::Changed => {
                self.boot = Rules::Changed;
                Run::Boots
            }
            // What it tells is what it plans anew at its end.
            Run::Boots => {
                self.close_confirmed();
                Run::Ended
            }
            _ => Run::Ended,
        };
    }

    fn watcher_goes_on(&mut self, one: usize) {
        let decided = self.ends();
        self.watchers[one] = match self.watchers[one] {
            _ if decided => Watcher::Ended,
            Watcher::Waits if self.time_is_up => {
                let gone = self.folder == Folder::Lost;
                let renamed = self.folder == Folder::Open && self.memory_writable;
                if renamed {
                    self.folder = Folder::Reverting;
                    Watcher::Loads
                } else if gone && !self.has(Mend::LoadsWithoutFile)
                    || !gone && !self.has(Mend::LoadsWithoutRename)
                {
                    Watcher::Ended
                } else {
                    Watcher::Loads
                }
            }
            Watcher::Loads => {
                self.kernel = Rules::Before;
                if self.memory_writable && self.folder != Folder::Lost {
                    self.folder = Folder::Reverted;
                }
                Watcher::Ended
            }
            other => other,
        };
    }

    /// Any command that may write, under the lock.
    fn next_run(&mut self) {
        let confirmed = self.record == Record::Confirmed
            || self.folder == Folder::Confirmed && self.record == Record::Open;
        if confirmed && self.has(Mend::CompletesConfirmation) {
            if self.disk_writable {
                self.record = Record::Confirmed;
                // What it says now is planned and applied.
                self.boot = self.kernel;
                // Where the rules of before are there, after a boot for instance, that is told, and it is
                // planned anew.
                self.close_confirmed();
            }
        } else if self.record == Record::Open {
            let over = self.time_is_up || self.folder == Folder::Reverted;
            if self.booted || over {
                self.take_back();
            } else if self.folder == Folder::Open {
                self.watch_again();
            }
        }
    }

    /// A timer that has ended before its time is started again.
    fn watch_again(&mut self) {
        let watched = self.watchers.iter().any(|&watcher| Self::lives(watcher));
        if !watched && self.memory_writable {
            self.script = true;
            self.watchers[0] = Watcher::Waits;
        }
    }

    /// Tells that it is confirmed where it is in force and nobody can take it back any more.
    fn close_confirmed(&mut self) {
        let in_force = self.kernel == Rules::Changed;
        self.close();
        let watched = (0..2).any(|one| Self::lives(self.watchers[one]) || self.is_missed(one));
        self.told_confirmed |= in_force && (self.ends() || !watched || !self.has(Mend::LooksForWatchers));
    }

    /// Whether a watcher that looks finds that it is over.
    fn ends(&self) -> bool {
        matches!(self.folder, Folder::Confirmed | Folder::Reverted | Folder::Closed)
    }

    fn take_back(&mut self) {
        self.kernel = Rules::Before;
        self.close();
    }

    /// The window is over: its watchers find that, which is awaited; the record goes last.
    fn close(&mut self) {
        if self.memory_writable {
            self.folder = Folder::Closed;
        }
        let ends = self.ends();
        for watcher in &mut self.watchers {
            if ends && Self::lives(*watcher) {
                *watcher = Watcher::Ended;
            }
        }
        let all_ended = !self.watchers.iter().any(|&watcher| Self::lives(watcher));
        if self.disk_writable && all_ended {
            self.record = Record::Nothing;
            if self.memory_writable {
                (self.folder, self.script) = (Folder::Lost, false);
            }
        }
    }

    /// Lets everybody go on to the end, nothing going wrong any more.
    fn settled(&self) -> Self {
        let mut world = self.clone();
        loop {
            let next = world
                .steps()
                .into_iter()
                .filter(|act| !matches!(act, Act::ConfirmFromNew | Act::ConfirmFromOld | Act::NextRun))
                .map(|act| world.after(act))
                .find(|next| *next != world);
            match next {
                Some(next) => world = next,
                None => return world,
            }
        }
    }

    /// What must hold in this world, and at the end of it.
    pub fn promises(&self) -> Result<(), String> {
        if self.lied {
            return Err("told that it is live, and it was not live".to_owned());
        }
        if self.told_confirmed && self.confirmed_from_old {
            return Err("confirmed by an old connection".to_owned());
        }
        let end = self.settled();
        let decided = end.folder == Folder::Confirmed || end.record == Record::Confirmed;
        if end.told_confirmed {
            if end.kernel != Rules::Changed {
                return Err("confirmed, and it went back".to_owned());
            }
        } else if !end.decided && end.kernel != Rules::Before {
            return Err("nobody confirmed it, and it stays".to_owned());
        }
        // The next run leaves nothing half done, once the disk and memory can be written.
        let mut after = end;
        (after.memory_writable, after.disk_writable) = (true, true);
        after.next_run();
        let after = after.settled();
        if decided && after.record != Record::Nothing {
            return Err("half confirmed".to_owned());
        }
        if !after.decided && after.kernel != Rules::Before {
            return Err("nobody confirmed it, and it stays after the next run".to_owned());
        }
        Ok(())
    }

    /// A change that is live, on a host where two watch over each other.
    pub fn armed() -> Self {
        let mut world = Self::starts().remove(1);
        while world.apply != Run::Ended {
            world.apply_goes_on();
        }
        world
    }

    /// Somebody renames the file over which is decided, if that can be done.
    pub fn somebody_confirms(mut self) -> Self {
        if self.folder == Folder::Open && self.memory_writable {
            self.folder = Folder::Confirmed;
        }
        self
    }

    pub fn somebody_closes(mut self) -> Self {
        if self.folder != Folder::Lost && self.memory_writable {
            self.folder = Folder::Closed;
        }
        self
    }

    /// The files by which is decided go.
    pub fn loses_files(mut self) -> Self {
        if self.memory_writable {
            self.folder = Folder::Lost;
        }
        self
    }

    /// Everything goes.
    pub fn loses_folder(self) -> Self {
        let writable = self.memory_writable;
        let mut world = self.loses_files();
        world.script &= !writable;
        world
    }

    pub fn memory_fails(mut self) -> Self {
        self.memory_writable = false;
        self
    }

    /// A watcher is killed, and the other one has time to notice.
    pub fn replaces(mut self, one: usize) -> Self {
        if Self::lives(self.watchers[one]) {
            self.watchers[one] = Watcher::Dead;
            if self.is_missed(one) {
                self.watchers[one] = Watcher::Waits;
            }
        }
        self
    }

    /// The watchers have time to look.
    pub fn watched(mut self) -> Self {
        for one in 0..2 {
            self.watcher_goes_on(one);
        }
        self
    }

    /// Whether the rules of before are in the kernel when everybody has gone on to the end.
    pub fn goes_back(&self) -> bool {
        self.settled().kernel == Rules::Before
    }
}
