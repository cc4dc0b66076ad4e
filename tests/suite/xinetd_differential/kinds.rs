//! Services other than a server on a port of its own: built-in ones, listed ones, pairs on one port, and the
//! rest.

use super::generate::Dice;

/// The lines of such services, each with its name; `PORT` stands for a port of its own.
const KINDS: &[&[(&str, &[&str])]] = &[
    &[("echo", &["type = INTERNAL UNLISTED", "port = PORT", "protocol = tcp", "wait = no"])],
    &[("time", &["type = INTERNAL UNLISTED", "port = PORT", "socket_type = dgram", "wait = yes"])],
    &[("daytime", &["type = INTERNAL", "socket_type = stream", "wait = no", "user = root"])],
    &[("chargen", &["type = INTERNAL", "socket_type = dgram", "wait = yes"])],
    &[(
        "discard",
        &["type = internal unlisted", "port = PORT", "socket_type = raw", "wait = no", "protocol = tcp"],
    )],
    &[("nosuch", &["type = INTERNAL UNLISTED", "port = PORT", "protocol = tcp", "wait = no"])],
    &[("servers", &["type = INTERNAL UNLISTED", "port = PORT", "protocol = tcp", "wait = no"])],
    &[("tcpmux", &["type = INTERNAL", "socket_type = stream", "wait = no", "user = root"])],
    &[("tcpmux", &["type = INTERNAL UNLISTED", "port = PORT", "socket_type = dgram", "wait = yes"])],
    &[(
        "sensor",
        &[
            "flags = SENSOR",
            "type = INTERNAL UNLISTED",
            "port = PORT",
            "protocol = tcp",
            "wait = no",
            "deny_time = 5",
        ],
    )],
    &[(
        "x",
        &[
            "flags = SENSOR",
            "type = UNLISTED",
            "port = PORT",
            "protocol = tcp",
            "wait = no",
            "user = root",
            "server = /bin/cat",
        ],
    )],
    &[(
        "mux",
        &[
            "type = TCPMUX UNLISTED",
            "socket_type = stream",
            "protocol = tcp",
            "wait = no",
            "user = root",
            "server = /bin/cat",
        ],
    )],
    &[(
        "mux",
        &[
            "type = TCPMUXPLUS UNLISTED",
            "socket_type = stream",
            "protocol = tcp",
            "wait = no",
            "user = root",
            "server = /bin/cat",
        ],
    )],
    &[(
        "mux",
        &[
            "type = TCPMUX",
            "socket_type = stream",
            "protocol = tcp",
            "wait = no",
            "user = root",
            "server = /bin/cat",
        ],
    )],
    &[(
        "mux",
        &["type = TCPMUX UNLISTED", "socket_type = dgram", "wait = yes", "user = root", "server = /bin/cat"],
    )],
    // Listed ones: the port is that of /etc/services, and has to be.
    &[("smtp", &["socket_type = stream", "wait = no", "user = root", "server = /bin/cat"])],
    &[("smtp", &["protocol = tcp", "wait = no", "user = root", "server = /bin/cat", "port = 25"])],
    &[("smtp", &["protocol = tcp", "wait = no", "user = root", "server = /bin/cat", "port = 2525"])],
    &[("mail", &["socket_type = stream", "wait = no", "user = root", "server = /bin/cat"])],
    &[("nosuch", &["socket_type = stream", "wait = no", "user = root", "server = /bin/cat", "port = PORT"])],
    &[("Smtp", &["socket_type = stream", "wait = no", "user = root", "server = /bin/cat"])],
    &[("smtp", &["socket_type = stream", "protocol = TCP", "wait = no", "user = root", "server = /bin/cat"])],
    &[("tftp", &["socket_type = dgram", "wait = yes", "user = root", "server = /bin/cat"])],
    &[(
        "tftp",
        &["socket_type = stream", "protocol = udp", "wait = yes", "user = root", "server = /bin/cat"],
    )],
    // One port twice.
    &[
        ("smtp", &["flags = IPv4", "socket_type = stream", "wait = no", "user = root", "server = /bin/cat"]),
        (
            "smtp",
            &[
                "id = smtp6",
                "flags = IPv6",
                "v6only = yes",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
    ],
    &[
        (
            "a",
            &[
                "type = UNLISTED",
                "flags = IPv4",
                "port = PORT",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
        (
            "a",
            &[
                "id = a6",
                "type = UNLISTED",
                "flags = IPv6",
                "v6only = no",
                "port = PORT",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
    ],
    &[
        (
            "a",
            &[
                "type = UNLISTED",
                "flags = IPv6",
                "port = PORT",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
        (
            "a",
            &[
                "id = a4",
                "type = UNLISTED",
                "flags = IPv4",
                "port = PORT",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
    ],
    &[
        ("smtp", &["socket_type = stream", "wait = no", "user = root", "server = /bin/cat"]),
        (
            "b",
            &[
                "type = UNLISTED",
                "port = 25",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
    ],
    &[
        (
            "a",
            &[
                "type = UNLISTED",
                "bind = 127.0.0.1",
                "port = PORT",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
        (
            "b",
            &[
                "type = UNLISTED",
                "bind = 127.0.0.2",
                "port = PORT",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
        (
            "c",
            &[
                "type = UNLISTED",
                "bind = 127.0.0.1",
                "port = PORT",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
    ],
    &[
        (
            "a",
            &[
                "type = UNLISTED",
                "bind = ::1",
                "port = PORT",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
        (
            "b",
            &[
                "type = UNLISTED",
                "port = PORT",
                "socket_type = stream",
                "wait = no",
                "user = root",
                "server = /bin/cat",
            ],
        ),
    ],
    &[
        (
            "u",
            &[
                "type = UNLISTED",
                "port = PORT",
                "socket_type = dgram",
                "wait = yes",
                "user = root",
                "server = /bin/cat",
            ],
        ),
        (
            "u",
            &[
                "type = UNLISTED",
                "id = u2",
                "port = PORT",
                "socket_type = dgram",
                "wait = yes",
                "user = root",
                "server = /bin/cat",
            ],
        ),
    ],
    &[(
        "u",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = dgram",
            "wait = no",
            "user = root",
            "server = /bin/cat",
        ],
    )],
    // Redirects and what does not go with them.
    &[(
        "r",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = no",
            "user = root",
            "redirect = 127.0.0.1 25",
            "log_on_success = TRAFFIC",
        ],
    )],
    &[(
        "r",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = yes",
            "user = root",
            "redirect = 127.0.0.1 25",
        ],
    )],
    &[(
        "r",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = dgram",
            "wait = yes",
            "user = root",
            "redirect = 127.0.0.1 25",
        ],
    )],
    &[(
        "r",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = no",
            "user = root",
            "redirect = 127.0.0.1 25",
            "flags = LABELED",
        ],
    )],
    // Flags that need something beside them.
    &[(
        "n",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = no",
            "user = root",
            "server = /bin/cat",
            "flags = NAMEINARGS",
        ],
    )],
    &[(
        "n",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = no",
            "user = root",
            "server = /bin/cat",
            "flags = NAMEINARGS",
            "server_args = cat -u",
        ],
    )],
    &[(
        "i",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = yes",
            "user = root",
            "server = /bin/cat",
            "flags = INTERCEPT",
        ],
    )],
    &[(
        "i",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = raw",
            "protocol = icmp",
            "wait = yes",
            "user = root",
            "server = /bin/cat",
            "flags = INTERCEPT",
        ],
    )],
    &[(
        "l",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = yes",
            "user = root",
            "server = /bin/cat",
            "flags = LABELED",
        ],
    )],
    &[(
        "echo",
        &["type = INTERNAL UNLISTED", "port = PORT", "socket_type = stream", "wait = no", "flags = LABELED"],
    )],
    // RPC: without a portmapper it is offered in no case, and lines that are missing drop it before that.
    &[("rusersd", &["type = RPC", "socket_type = dgram", "wait = yes", "user = root", "server = /bin/cat"])],
    &[(
        "nosuch",
        &[
            "type = RPC",
            "rpc_version = 1-2",
            "socket_type = dgram",
            "wait = yes",
            "user = root",
            "server = /bin/cat",
        ],
    )],
    &[(
        "x",
        &[
            "type = RPC UNLISTED",
            "rpc_version = 1",
            "socket_type = stream",
            "wait = no",
            "user = root",
            "server = /bin/cat",
        ],
    )],
    // What stands in a log's way.
    &[(
        "f",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = no",
            "user = root",
            "server = /bin/cat",
            "log_type = FILE @DIR@/no/such/log",
        ],
    )],
    &[(
        "f",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = no",
            "user = root",
            "server = /bin/cat",
            "log_type = FILE @DIR@",
        ],
    )],
    // An address of another family than the flags.
    &[(
        "f",
        &[
            "type = UNLISTED",
            "port = PORT",
            "socket_type = stream",
            "wait = no",
            "user = root",
            "server = /bin/cat",
            "bind = 127.0.0.1",
            "flags = IPv6",
        ],
    )],
];

/// Blocks of one kind: names and lines.
pub fn kind(dice: &mut Dice, port: &mut u16) -> Vec<(&'static str, Vec<String>)> {
    *port += 1;
    let kind = dice.of(KINDS);
    let lines = |lines: &[&str]| -> Vec<String> {
        lines.iter().map(|line| line.replace("PORT", &port.to_string())).collect()
    };
    kind.iter().map(|(name, block)| (*name, lines(block))).collect()
}
