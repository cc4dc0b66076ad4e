//! Generated files: plain ones as people write them, rich ones with what else the shell can do, and token
//! soup.

use super::NAMES;

/// A small generator of numbers whose whole state is one seed (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        let index = self.below(from.len() as u64);
        from[usize::try_from(index).unwrap()]
    }
}

/// How much of the shell's language a generated file uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// Assignments in all their spellings, comments, broken lines.
    Plain,
    /// And conditions, expansions, functions, subshells, here-documents …
    Rich,
    /// Anything that can be put together from tokens.
    Soup,
}

/// A file of this grammar.
pub(super) fn file(dice: &mut Dice, grammar: Grammar) -> Vec<u8> {
    if grammar == Grammar::Soup {
        return soup(dice);
    }
    let mut text = String::new();
    if dice.one_in(40) {
        text.push('\u{feff}');
    }
    for _ in 0..=dice.below(9) {
        let line =
            if grammar == Grammar::Rich && dice.one_in(3) { rich_line(dice) } else { plain_line(dice) };
        text.push_str(&line);
        if dice.one_in(25) {
            text.push('\r');
        }
        text.push('\n');
    }
    if dice.one_in(4) {
        text.pop();
    }
    let mut bytes = text.into_bytes();
    if dice.one_in(60) {
        let at = dice.below(bytes.len() as u64 + 1);
        // The judge separates its answers with 0x1d to 0x1f.
        let byte = match u8::try_from(dice.below(256)).unwrap() {
            0x1d..=0x1f => 0x1c,
            byte => byte,
        };
        bytes.insert(usize::try_from(at).unwrap(), byte);
    }
    bytes
}

fn name(dice: &mut Dice) -> String {
    // The limits come up most.
    let index = usize::try_from(dice.below(NAMES.len() as u64 * 2)).unwrap();
    let limits = ["MAXDAEMONS", "MAXPERIP"];
    NAMES.get(index).unwrap_or(&limits[index % 2]).to_string()
}

fn number(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => String::from("0"),
        1 => format!("0{}", dice.below(50)),
        2 => format!("-{}", dice.below(5)),
        _ => dice.below(300).to_string(),
    }
}

fn value(dice: &mut Dice) -> String {
    let number = number(dice);
    match dice.below(22) {
        0..=7 => number,
        8..=10 => format!("\"{number}\""),
        11 => format!("'{number}'"),
        12 => format!("5\"{number}\""),
        13 => format!("{number}#c"),
        14 => format!("{number}abc"),
        15 => format!("{number}\\\n{number}"),
        16 => format!("\"{number}\\\n5\""),
        17 => String::new(),
        18 => String::from("\"-nodnslookup -noidentlookup\""),
        19 => String::from("/var/run/x.pid"),
        20 => dice
            .pick(&[
                "a\\ b",
                "\"a\\b\\\\c\\$d\"",
                "'a\\b'",
                "\"\"",
                "''",
                "a'b\"c'd",
                "{a,b}",
                "*",
                "[x]",
                "é",
                "\"日本\"",
                "a=b",
                "=",
                "\"a\nb\"",
                "%",
                "a^b",
                "a!b",
                "$",
                "a$",
                "\"$\"",
                "\\$x",
                "\"\\\"\"",
                "x\\",
                "@x",
            ])
            .to_owned(),
        _ => dice.pick(&["40;", "40; ", "40 ;"]).to_owned(),
    }
}

fn assignment(dice: &mut Dice) -> String {
    format!("{}={}", name(dice), value(dice))
}

fn comment(dice: &mut Dice) -> String {
    dice.pick(&["# note", "#MAXPERIP=3", "# a=b \\", "#", "# it's", "# \"x", "##NAME: MAXPERIP:4"]).to_owned()
}

fn plain_line(dice: &mut Dice) -> String {
    let indent = dice.pick(&["", "", "", "", " ", "\t", "  "]);
    let line = match dice.below(30) {
        0..=12 => assignment(dice),
        13 | 14 => format!("{} {}", assignment(dice), comment(dice)),
        15 => format!("{}\t{}", assignment(dice), comment(dice)),
        16 => format!("export {}", assignment(dice)),
        17 => format!("{}; {}", assignment(dice), assignment(dice)),
        18 => format!("{} {}", assignment(dice), assignment(dice)),
        19 => format!("{};{}", assignment(dice), comment(dice)),
        20..=22 => comment(dice),
        23 | 24 => String::new(),
        25 => format!("{} = {}", name(dice), number(dice)),
        26 => format!("{}= {}", name(dice), number(dice)),
        27 => format!("{} ={}", name(dice), number(dice)),
        28 => format!("export {}", name(dice)),
        _ => format!("{} {}", name(dice), number(dice)),
    };
    format!("{indent}{line}")
}

fn rich_line(dice: &mut Dice) -> String {
    let (a, b, n) = (assignment(dice), assignment(dice), name(dice));
    let v = number(dice);
    match dice.below(58) {
        0 => format!("{n}=$FOO"),
        1 => format!("{n}=${{FOO:-{v}}}"),
        2 => format!("{n}=$(({v}+2))"),
        3 => format!("{n}=`echo {v}`"),
        4 => format!("{n}=$(echo {v})"),
        5 => format!("if true; then {a}\nfi"),
        6 => format!("if false\nthen {a}\nelse\n{b}\nfi"),
        7 => format!("true && {a}"),
        8 => format!("false || {a}"),
        9 => format!("{a} && {b}"),
        10 => format!("({a}\n)"),
        11 => format!("{{ {a}\n}}"),
        12 => format!("{a} | cat"),
        13 => format!("echo x | {a}"),
        14 => format!("{a} &"),
        15 => format!("f() {{ {a}\n}}"),
        16 => String::from("f"),
        17 => format!("unset {n}"),
        18 => format!("readonly {a}"),
        19 => format!("readonly {n}"),
        20 => format!("eval {n}={v}"),
        21 => String::from("set -e"),
        22 => String::from("exit 0"),
        23 => String::from("return 0"),
        24 => format!("{a} true"),
        25 => format!("{a} :"),
        26 => format!("{a} export FOO"),
        27 => format!(": ${{{n}:={v}}}"),
        28 => format!(": ${{{n}:?}}"),
        29 => format!("cat <<E\n{a}\nE"),
        30 => format!("cat <<-'E' >/dev/null\n\t{a} $x\n\tE\n{b}"),
        31 => format!("case $FOO in\n a|b) {a} ;;\n *) {b}\nesac"),
        32 => format!("for {n} in 1 2; do {a}\ndone"),
        33 => format!("while false; do {a}\ndone"),
        34 => String::from(". ./missing"),
        35 => format!("{n}=\"{v}"),
        36 => format!("alias FOO={v}"),
        37 => format!("export {n} = {v}"),
        38 => format!("export {n}=$FOO"),
        39 => format!("export {n}=\"$FOO\""),
        40 => format!("[ -f /nowhere ] && {a}"),
        41 => format!("{n}+={v}"),
        42 => format!("{n}=({v})"),
        43 => format!("{a} >/dev/null"),
        44 => format!("{a} </nowhere"),
        45 => String::from("umask 022; ulimit -n 512"),
        46 => String::from("fi"),
        47 => format!("{n}=~"),
        48 => format!("! {a}"),
        49 => format!("command export {a}"),
        50 => format!("read {n}"),
        51 => format!("{n}=$'{v}'"),
        52 => format!("cd /; {a}"),
        53 => format!("FOO=${{{n}:={v}}} {a}"),
        54 => format!("PPID=1; {a}"),
        55 => format!("export \"{n}={v}\""),
        56 => format!("echo \"$({a}; echo ')')\"; {b}"),
        _ => format!("{n}=\"$(echo \"{v}\")\" {b}"),
    }
}

const TOKENS: [&str; 88] = [
    "MAXPERIP=",
    "MAXPERIP=4",
    "MAXDAEMONS=40",
    "FOO=1",
    "FOO=",
    "BAR=x",
    "PORT=110",
    "4",
    "40",
    "a",
    "MAXPERIP",
    "FOO",
    " ",
    " ",
    " ",
    " ",
    "\n",
    "\n",
    "\n",
    "\n",
    ";",
    ";",
    "&",
    "&&",
    "||",
    "|",
    "(",
    ")",
    "{ ",
    "}",
    "!",
    "if ",
    "then ",
    "else ",
    "elif ",
    "fi",
    "case ",
    " in ",
    "esac",
    ";;",
    "true",
    "false",
    "echo ",
    "export ",
    "readonly ",
    "unset ",
    ": ",
    "'",
    "'",
    "\"",
    "\"",
    "\\",
    "\\\n",
    "#",
    "#",
    "$",
    "$FOO",
    "${FOO}",
    "${FOO:-",
    "${MAXPERIP:=",
    "$(",
    "$((",
    "))",
    "`",
    "`",
    "<<E",
    "<<-E",
    "E\n",
    "\nE\n",
    ">",
    "<",
    ">/dev/null ",
    "2>&1",
    "~",
    "*",
    "[",
    "]",
    "\t",
    "\r",
    "=",
    "+=",
    "f()",
    "return",
    "exit",
    "set -- ",
    "eval ",
    ". ",
    "echo x",
];

fn soup(dice: &mut Dice) -> Vec<u8> {
    let mut text = String::new();
    if dice.one_in(2) {
        text.push_str("MAXPERIP=7\n");
    }
    for _ in 0..=dice.below(14) {
        text.push_str(dice.pick(&TOKENS));
    }
    if dice.one_in(2) {
        text.push_str("\nMAXDAEMONS=9\n");
    }
    text.into_bytes()
}
