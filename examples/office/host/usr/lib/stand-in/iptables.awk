# What iptables-restore makes of the rules in the file `before`: prints those afterwards, or ends with 1.
#
# Enough for chains, and for rules that are appended, put first, or deleted as they are written.

function fail(text) {
	print program "-restore: line " line " failed" (text == "" ? "" : ": " text) | "cat 1>&2"
	close("cat 1>&2")
	failed = 1
	exit 1
}

# chain(TABLE, NAME, POLICY): makes one, or empties it.
function chain(table, name, policy) {
	if (!((table, name) in rules)) chains[table, ++made[table]] = name
	policies[table, name] = policy
	rules[table, name] = ""
}

function open(table) {
	if (table in known) return
	known[table] = ++tables
	order[tables] = table
	count = split(table == "raw" ? "PREROUTING OUTPUT" : table == "filter" ? "INPUT FORWARD OUTPUT" : \
		table == "nat" ? "PREROUTING POSTROUTING OUTPUT" : "PREROUTING INPUT FORWARD OUTPUT POSTROUTING", built_in, " ")
	for (n = 1; n <= count; n++) chain(table, built_in[n], "ACCEPT [0:0]")
}

# target(RULE): where it jumps to.
function target(rule) { sub(/^(.* )?-j /, "", rule); sub(/ .*$/, "", rule); return rule }

# printed(RULE): as iptables-save writes it, which gives each address its length.
function printed(rule,   word, n, parts, text) {
	n = split(rule, parts, " ")
	for (word = 1; word <= n; word++) {
		if (parts[word - 1] == "-s" && parts[word] !~ /\//) parts[word] = parts[word] (program == "iptables" ? "/32" : "/128")
		text = text (word > 1 ? " " : "") parts[word]
	}
	return text
}

function has(list, rule) { return index("\n" list, "\n" rule "\n") }

function without(list, rule,   at) {
	at = has(list, rule)
	return substr(list, 1, at - 1) substr(list, at + length(rule) + 1)
}

# one(TEXT): one line of a ruleset.
function one(text,   words, name, rule, other) {
	if (text ~ /^(#|$)/) return
	if (text ~ /^[*]/) {
		table = substr(text, 2)
		if (line && keep == "" && (table in known)) {
			for (other = 1; other <= made[table]; other++) rules[table, chains[table, other]] = ""
		}
		open(table)
		return
	}
	if (text == "COMMIT") return
	split(text, words, " ")
	if (text ~ /^:/) {
		chain(table, substr(words[1], 2), substr(text, length(words[1]) + 2))
		return
	}
	name = words[2]
	if (!((table, name) in policies)) fail("no chain/target/match by that name")
	rule = printed(substr(text, length(words[1]) + length(name) + 3))
	if (words[1] == "-X") {
		for (other in rules) if (index(other, table SUBSEP) == 1 && rules[other] ~ ("-j " name "\n")) fail("chain in use")
		if (rules[table, name] != "") fail("chain not empty")
		delete policies[table, name]
		return
	}
	other = target(rule)
	if (other !~ /^(ACCEPT|DROP|RETURN)$/ && !((table, other) in policies)) fail("no chain/target/match by that name")
	# Linux has this match for IPv6 since 2.6.39.
	if (program == "ip6tables" && rule ~ /-m addrtype/) fail("couldn't load match `addrtype'")
	if (words[1] == "-A") rules[table, name] = rules[table, name] rule "\n"
	else if (words[1] == "-I") rules[table, name] = rule "\n" rules[table, name]
	else if (words[1] == "-D" && has(rules[table, name], rule)) rules[table, name] = without(rules[table, name], rule)
	else fail("bad rule")
}

BEGIN { while ((getline text <before) > 0) one(text) }

{ line = NR; one($0) }

END {
	if (failed) exit 1
	for (t = 1; t <= tables; t++) {
		table = order[t]
		print "*" table
		for (c = 1; c <= made[table]; c++)
			if ((table, chains[table, c]) in policies) print ":" chains[table, c] " " policies[table, chains[table, c]]
		for (c = 1; c <= made[table]; c++) {
			name = chains[table, c]
			if (!((table, name) in policies)) continue
			count = split(rules[table, name], lines, "\n")
			for (n = 1; n < count; n++) print "-A " name " " lines[n]
		}
		print "COMMIT"
	}
}
