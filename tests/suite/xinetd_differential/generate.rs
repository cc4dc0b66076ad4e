//! xinetd files rich in what people and editors do to them, of services that a real xinetd can offer.

use super::daemon::Files;
use super::kinds::kind;
use super::values::{Values, in_defaults, in_services};

/// A small deterministic generator (SplitMix64): a case is its seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    /// True in so many of a thousand throws.
    pub fn in_1000(&mut self, n: usize) -> bool {
        self.below(1000) < n
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// How often something goes wrong, of a thousand chances.
const ODD: usize = 14;

const GOOD_COUNTS: &[&str] =
    &["1", "2", "7", "20", "007", "+5", "UNLIMITED", "unlimited", "Unlimited", "0", "2147483647"];
const ODD_COUNTS: &[&str] = &[
    "99999999999",
    "2147483648",
    "4294967297",
    "9223372036854775807",
    "9223372036854775808",
    "-1",
    "10abc",
    "0x10",
    "abc",
    "\"5\"",
    "5#x",
    "5 # note",
    "10 # the maximum instances per source address",
    "",
    "5 6",
    "= 5",
    "=5",
    "\u{b}5",
    "5\u{c}",
    "5\r",
    "\r",
    "UNLIMITED\r",
    "#5",
    "5;",
    "5\0",
    "5\0 6",
];
const GOOD_RATES: &[&str] = &["50 10", "5\t6", "1 1", "25  30", "0 0", "007 +3"];
const ODD_RATES: &[&str] = &[
    "10",
    "10 20 30",
    "abc 3",
    "5 abc",
    "-5 3",
    "5 -3",
    "99999999999 3",
    "50 10 # per second",
    "50 10\r",
    "50, 10",
    "50 10#",
    "UNLIMITED 3",
    "18446744073709551616 1",
    "",
];
const GOOD_OTHERS: &[&str] = &[
    "disable = no",
    "nice = 5",
    "server_args = -u",
    "server_args = a b c # d",
    "log_type = SYSLOG daemon info",
    "log_on_failure = HOST",
    "log_on_failure += USERID",
    "log_on_success -= PID",
    "log_on_success -= TRAFFIC",
    "log_on_success = HOST",
    "flags = REUSE",
    "flags = NODELAY KEEPALIVE",
    "only_from = 127.0.0.1 10.0.0.0",
    "env = A=b",
    "umask = 022",
    "groups = yes",
    "v6only = no",
    "access_times = 02:00-23:00",
    "deny_time = NEVER",
    "banner = /etc/hostname",
    "rlimit_as = 64M",
    "rlimit_cpu = UNLIMITED",
    "max_load = 3.5",
];
const ODD_OTHERS: &[&str] = &[
    "disable = yes",
    "disable = maybe",
    "disable = NO",
    "disable = yes # for now",
    "disable += yes",
    "disable = no no",
    "bogus = 1",
    "bogus += 1 2 3",
    "instance = 5",
    "per-source = 5",
    "wait = perhaps",
    "nice = x",
    "flags =",
    "flags = BOGUS",
    "server_args =",
    "umask = 9",
    "umask = 1000",
    "deny_time = soon",
    "log_on_failure = NONSENSE",
    "log_on_success += TRAFFIC",
    "log_on_success = traffic",
    "log_on_failure =",
    "log_type = NOWHERE",
    "log_type =",
    "env = A",
    "env -= A=b",
    "only_from = 1.2.3.4,5.6.7.8",
    "rlimit_as = much",
    "rlimit_cpu = -1",
    "port = 70000",
    "port = 1x",
    "socket_type = datagram",
    "x \\",
    "junk",
    "junk line",
    "per_source",
    "per_source 2",
    "per_source: 2",
    "per_source=2",
    "instances=2 # two",
    "} # end",
    "} }",
    "{",
    "= 5",
    "+= 5",
    "service other",
    "id =",
    "groups = sometimes",
];

/// The files of one case.
pub fn tree(dice: &mut Dice) -> Files {
    let mut files = Files::new();
    let mut port = 20_000;
    let mut main = Vec::new();
    if dice.in_1000(700) {
        defaults(dice, &mut main);
    }
    let parts = 1 + dice.below(3);
    for part in 0..parts {
        match dice.below(10) {
            0..4 => {
                let folder = format!("d{part}");
                main.extend_from_slice(
                    dice.of(&["includedir @DIR@/", "INCLUDEDIR\t@DIR@//", " includedir @DIR@/./"]).as_bytes(),
                );
                main.extend_from_slice(folder.as_bytes());
                main.extend_from_slice(dice.of(&["\n", "/\n", " and more\n", "  \n"]).as_bytes());
                for name in [
                    "smtp_psa",
                    "ftp_psa",
                    "b",
                    "B",
                    "10-x",
                    "2-x",
                    "x \u{1b}[2J\u{9b}1m\r$(x)",
                    "x\u{202e}\u{200b}'`\"",
                    "#x#",
                    "x.conf",
                    "x~",
                    ".hidden",
                ] {
                    if dice.in_1000(330) {
                        let bytes = file(dice, &mut port);
                        files.insert(format!("{folder}/{name}"), bytes);
                    }
                }
                // An empty folder is none in this tree.
                files.entry(format!("{folder}/zz")).or_default();
            }
            4..6 => {
                let name = format!("inc{part}");
                main.extend_from_slice(format!("include @DIR@/{name}\n").as_bytes());
                let bytes = file(dice, &mut port);
                files.insert(name, bytes);
            }
            6 => main.extend_from_slice(
                dice.of(&["include @DIR@/gone\n", "includedir @DIR@/gone\n", "includedir /etc/xinetd.d\n"])
                    .as_bytes(),
            ),
            _ => {
                let bytes = file(dice, &mut port);
                main.extend_from_slice(&bytes);
                if !main.ends_with(b"\n") {
                    main.push(b'\n');
                }
            }
        }
    }
    let main = finish(dice, main);
    files.insert("xinetd.conf".to_owned(), main);
    files
}

fn file(dice: &mut Dice, port: &mut u16) -> Vec<u8> {
    let mut text = Vec::new();
    if dice.in_1000(80) {
        defaults(dice, &mut text);
    }
    for _ in 0..=dice.below(3) {
        between(dice, &mut text);
        if dice.in_1000(ODD) {
            let junk = dice.of(&[
                "junk at top level\n",
                "per_source = 5\n",
                "}\n",
                "service\n",
                "include\n",
                "service x {\n",
                "\u{b}service y\n",
            ]);
            text.extend_from_slice(junk.as_bytes());
        }
        if dice.in_1000(60) {
            defaults(dice, &mut text);
        }
        service(dice, port, &mut text);
    }
    finish(dice, text)
}

/// What an editor does to a whole file.
fn finish(dice: &mut Dice, mut text: Vec<u8>) -> Vec<u8> {
    if dice.in_1000(ODD / 2) {
        text.splice(0..0, *b"\xef\xbb\xbf");
    }
    if dice.in_1000(ODD / 2) {
        let mut with_returns = Vec::new();
        for &byte in &text {
            if byte == b'\n' {
                with_returns.push(b'\r');
            }
            with_returns.push(byte);
        }
        text = with_returns;
    }
    if dice.in_1000(100) && text.ends_with(b"\n") {
        text.pop();
    }
    text
}

fn between(dice: &mut Dice, text: &mut Vec<u8>) {
    while dice.in_1000(250) {
        let line = dice.of(&[
            "",
            "# comment",
            "   \t ",
            "\t# per_source = 99",
            "\r",
            "\u{c}",
            "#service x",
            "# a\0b",
        ]);
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    if dice.in_1000(6) {
        text.push(b'#');
        let length = dice.of(&[8180, 8192, 9000, 16_383, 16_384, 20_000]);
        text.extend(std::iter::repeat_n(b'x', length));
        text.push(b'\n');
    }
}

fn defaults(dice: &mut Dice, text: &mut Vec<u8>) {
    text.extend_from_slice(dice.of(&["defaults", "Defaults", "\tdefaults  ", "defaults x y"]).as_bytes());
    open(dice, text);
    let mut lines = Vec::new();
    for _ in 0..dice.below(4) {
        lines.push(limit(dice));
    }
    if dice.in_1000(300) {
        lines.push(
            dice.of(&[
                "log_type = SYSLOG authpriv",
                "log_on_success = PID HOST",
                "log_on_failure = HOST",
                "only_from = 0.0.0.0/0",
                "disabled = a",
                "disabled += smtp_alt B",
                "disabled -= c",
                "disabled =",
                "umask = 002",
            ])
            .to_owned(),
        );
    }
    if dice.in_1000(250) {
        lines.push(any(dice, &in_defaults(), 20));
    }
    if dice.in_1000(40) {
        lines.push(
            dice.of(&[
                "enabled = a b smtp smtp_alt",
                "enabled =",
                "bogus = 1",
                "server = /bin/cat",
                "log_on_failure = NONSENSE",
                "log_on_success = TRAFFIC",
                "log_type = NOWHERE",
                "groups = maybe",
                "disable = yes",
            ])
            .to_owned(),
        );
    }
    body(dice, lines, text);
    close(dice, text);
}

/// A line of any attribute: bad in so many of a thousand, unclear in half as many, and else good.
fn any(dice: &mut Dice, all: &[&'static Values], bad: usize) -> String {
    let values = dice.of(all);
    let list = match dice.below(1000) {
        n if n < bad => values.bad,
        n if n < bad + bad / 2 => values.unclear,
        _ => values.good,
    };
    if list.is_empty() {
        return "deny_time = NEVER".to_owned();
    }
    format!("{} = {}", values.name, dice.of(list))
}

/// One more line for a file that is there, in its last block.
pub fn changed(dice: &mut Dice, text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let line = if dice.in_1000(300) { limit(dice) } else { any(dice, &in_services(), 300) };
    if let Some(at) = out.windows(3).rposition(|bytes| bytes == b"\n}\n") {
        out.splice(at + 1..at + 1, format!("\t{line}\n").into_bytes());
    }
    out
}

fn service(dice: &mut Dice, port: &mut u16, text: &mut Vec<u8>) {
    if dice.in_1000(200) {
        for (name, mut lines) in kind(dice, port) {
            text.extend_from_slice(format!("service {name}").as_bytes());
            open(dice, text);
            if dice.in_1000(500) {
                lines.push(limit(dice));
            }
            body(dice, lines, text);
            close(dice, text);
        }
        return;
    }
    let name = dice.of(&["a", "b", "c", "smtp", "smtp_alt", "Smtp", "submission", "ftp"]);
    let keyword = dice.of(&["service ", "service\t", " service  ", "SERVICE ", "Service\t "]);
    text.extend_from_slice(keyword.as_bytes());
    text.extend_from_slice(name.as_bytes());
    if dice.in_1000(30) {
        text.extend_from_slice(b" more words");
    }
    open(dice, text);
    if !dice.in_1000(40) {
        *port += 1;
    }
    let socket_type = if dice.in_1000(100) { "dgram" } else { "stream" };
    let mut lines: Vec<String> = if socket_type == "dgram" {
        *port += 1;
        vec!["protocol = udp".into(), "wait = yes".into()]
    } else {
        vec!["protocol = tcp".into(), "wait = no".into()]
    };
    lines.push(format!("socket_type = {socket_type}"));
    lines.push("user = root".to_owned());
    lines.push(dice.of(&["server = /bin/cat", "server\t= /bin/cat"]).to_owned());
    lines.push(format!("port = {port}"));
    if dice.in_1000(15) {
        let at = dice.below(lines.len());
        lines.remove(at);
    }
    // Without it a service's port is the business of /etc/services.
    lines.push(dice.of(&["type = UNLISTED", "type = unlisted"]).to_owned());
    if dice.in_1000(100) {
        lines.push(format!("id = {}", dice.of(&["x", "a", "B", "smtp-1"])));
    }
    for _ in 0..dice.below(5) {
        lines.push(limit(dice));
    }
    for _ in 0..dice.below(3) {
        lines.push(dice.of(GOOD_OTHERS).to_owned());
    }
    if dice.in_1000(ODD * 6) {
        lines.push(dice.of(ODD_OTHERS).to_owned());
    }
    while dice.in_1000(400) {
        let line = any(dice, &in_services(), 60);
        let name = line.split(' ').next().unwrap_or_default().to_owned();
        // In the place of a line that every service has, half of the time.
        if dice.in_1000(500) {
            lines.retain(|other| other.split([' ', '\t', '=']).next() != Some(&name));
        }
        lines.push(line);
    }
    body(dice, lines, text);
    close(dice, text);
}

fn limit(dice: &mut Dice) -> String {
    let odd = dice.in_1000(ODD * 5);
    let (name, value) = match dice.below(3) {
        0 => ("per_source", dice.of(if odd { ODD_COUNTS } else { GOOD_COUNTS })),
        1 => ("instances", dice.of(if odd { ODD_COUNTS } else { GOOD_COUNTS })),
        _ => ("cps", dice.of(if odd { ODD_RATES } else { GOOD_RATES })),
    };
    let name = match dice.below(12) {
        0 => name.to_uppercase(),
        _ => name.to_owned(),
    };
    let operator = match dice.below(60) {
        0 => " += ",
        1 => " -= ",
        2 => "=",
        3 => " ",
        4..8 => " =",
        8..16 => "\t= ",
        16..24 => "      = ",
        24 => "\u{b}=\u{c}",
        25 => " + = ",
        _ => " = ",
    };
    format!("{name}{operator}{value}")
}

fn body(dice: &mut Dice, mut lines: Vec<String>, text: &mut Vec<u8>) {
    let indent = dice.of(&["\t", "    ", "", "  "]);
    while !lines.is_empty() {
        between(dice, text);
        let line = lines.remove(dice.below(lines.len()));
        let own = if dice.in_1000(60) { dice.of(&["", " \t", "\u{b}", "\r"]) } else { indent };
        text.extend_from_slice(own.as_bytes());
        text.extend_from_slice(line.as_bytes());
        if dice.in_1000(100) {
            text.extend_from_slice(dice.of(&[" ", "\t", "   "]).as_bytes());
        }
        text.push(b'\n');
    }
    between(dice, text);
}

fn open(dice: &mut Dice, text: &mut Vec<u8>) {
    if dice.in_1000(ODD / 2) {
        text.extend_from_slice(dice.of(&[" {\n", "\n{ # c\n", "\n{ }\n", "\n"]).as_bytes());
        return;
    }
    text.push(b'\n');
    between(dice, text);
    text.extend_from_slice(dice.of(&["{\n", "{\n", "  {\t\n", "{\r\n"]).as_bytes());
}

fn close(dice: &mut Dice, text: &mut Vec<u8>) {
    let line = if dice.in_1000(ODD) {
        dice.of(&["} # end\n", "", "};\n"])
    } else {
        dice.of(&["}\n", "}\n", "  }  \n", "}\r\n", "}\n\n"])
    };
    text.extend_from_slice(line.as_bytes());
}
