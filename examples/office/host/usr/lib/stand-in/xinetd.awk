# Reads /etc/xinetd.conf and what it includes as xinetd 2.3.14 does, and prints the services in the form of its dump.
#
# Working folder: the tree. Input: the state before (for the order and the descriptors of services that stay).
# Messages go to the standard error. Exit code 3: xinetd would end; 4: it cannot read its file and would keep what it has.
# Enough for files as people write them; xinetd itself is the judge for the rest.

function message(text) { print text | "cat 1>&2" }
function at() { return " [file=/" file "] [line=" line_number[file] "]" }

# next_line(): the next line that is not blank and no comment, in `line`. xinetd skips those everywhere.
function next_line() {
	while ((getline line < file) > 0) {
		line_number[file]++
		if (line !~ /^[ \t\r\v\f]*(#|$)/) return 1
	}
	return 0
}

function read_file(path, outer, words, n, i, names, listing, count) {
	outer = file
	file = path
	while (next_line()) {
		n = split(line, words, /[ \t]+/)
		i = words[1] == "" ? 2 : 1
		if (tolower(words[i]) == "service") read_block(words[i + 1])
		else if (tolower(words[i]) == "defaults") read_block("")
		else if (tolower(words[i]) == "include") read_file(substr(words[i + 1], 2))
		else if (tolower(words[i]) == "includedir") {
			# The names in strcmp order; those with a dot or a last "~" are skipped without a word.
			listing = "ls " quoted("./" words[i + 1])
			count = 0
			while ((listing | getline line) > 0) names[++count] = line
			close(listing)
			for (n = 1; n <= count; n++)
				if (names[n] !~ /[.]|~$/ && holds("f", words[i + 1] "/" names[n])) read_file(substr(words[i + 1], 2) "/" names[n])
		} else {
			message("missing service keyword" at())
			skip_block()
		}
	}
	close(path)
	file = outer
}

function quoted(text) { gsub(/'/, "'\\''", text); return "'" text "'" }
function holds(test, path) { return system("test -" test " " quoted("./" path)) == 0 }
function skip_block() { while (next_line()) if (line ~ /^[ \t\r\v\f]*[}][ \t\r\v\f]*$/) return }

# read_block(NAME): one block into set[name, attribute]; the name of `defaults` is empty.
function read_block(name, id, attribute, operator, rest, words, n, key) {
	split("", block)
	if (!next_line() || line !~ /^[ \t\r\v\f]*[{][ \t\r\v\f]*$/) {
		message("Service " name ": missing '{'" at())
		skip_block()
		return
	}
	while (1) {
		if (!next_line()) {
			message("incomplete entry" at())
			return
		}
		if (line ~ /^[ \t\r\v\f]*[}][ \t\r\v\f]*$/) break
		sub(/^[ \t\r\v\f]+/, "", line)
		attribute = line
		sub(/[ \t].*/, "", attribute)
		rest = substr(line, length(attribute) + 1)
		sub(/^[ \t]+/, "", rest)
		if (attribute ~ /=/ || rest !~ /^[-+]?=/) {
			# No blank before "=": the whole service is lost, and what remains of `defaults`.
			message((attribute ~ /=/ ? "Attribute " attribute " needs a space before operator" \
				: "Bad operator for attribute: " attribute) at())
			skip_block()
			if (name != "") return
			break
		}
		operator = substr(rest, 1, index(rest, "="))
		rest = substr(rest, length(operator) + 1)
		sub(/^[ \t]+/, "", rest)
		sub(/[ \t]+$/, "", rest)
		n = rest == "" ? 0 : split(rest, words, /[ \t]+/)
		if (!assign(name, tolower(attribute), operator, rest, words, n)) {
			if (name == "") fatal = 1
			else skip_block()
			return
		}
	}
	if (name == "") {
		for (key in block) if (!(key in defaults)) defaults[key] = block[key]
	} else finish(name)
}

# assign(…): 1 where the block goes on, 0 where a bad value ends it.
function assign(name, attribute, operator, rest, words, n, wanted, i, have, list) {
	if (attribute ~ /^(log_on_success|log_on_failure|only_from|no_access|passenv|env)$/) {
		# Lists. In `defaults` "=" means "+="; in a service what `defaults` says comes first, and "=" forgets it.
		have = attribute in block ? block[attribute] : (name != "" && attribute in defaults ? defaults[attribute] : "")
		if (operator == "=" && name != "") have = ""
		if (operator == "-=") {
			for (i = 1; i <= n; i++) sub(" " words[i] "( |$)", " ", have)
			sub(/ +$/, "", have)
		} else for (i = 1; i <= n; i++) have = have " " words[i]
		block[attribute] = have
		return 1
	}
	if (attribute !~ /^(id|type|flags|socket_type|protocol|wait|user|group|groups|umask|instances|per_source|cps|nice|server|server_args|port|bind|interface|max_load|access_times|banner|banner_success|banner_fail|redirect|disable|disabled|enabled|v6only|log_type|deny_time|libwrap|rlimit_.*)$/) {
		message("bad service attribute: " attribute at())
		return 1
	}
	if (operator != "=") {
		message("operator '" operator "' cannot be used for attribute " attribute at())
		return 1
	}
	wanted = attribute ~ /^(cps|redirect)$/ ? 2 : (attribute ~ /^(type|flags|server_args|disabled|enabled|log_type|access_times)$/ ? 0 : 1)
	if (wanted && n != wanted) {
		# So a comment behind a value makes xinetd ignore the line, and the value is not in force.
		message("attribute " attribute " expects " wanted " values and " n " values were specified" at())
		return 1
	}
	if (attribute in block) {
		message("Service " name ": attribute already set: " attribute at())
		return 1
	}
	if (attribute ~ /^(instances|per_source)$/ && toupper(words[1]) == "UNLIMITED") rest = -1
	else if (attribute ~ /^(instances|per_source|cps)$/) {
		for (i = 1; i <= n; i++) if (words[i] !~ /^[+]?[0-9]+[\r\v\f]*$/) {
			message("Number of " attribute " is invalid: " words[i] at())
			message("Error parsing attribute " attribute " - DISABLING SERVICE" at())
			return 0
		}
		rest = wanted == 2 ? (words[1] + 0) " " (words[2] + 0) : words[1] + 0
	}
	block[attribute] = rest
	return 1
}

# lookup(PATH, NAME, FIELD, SEPARATOR): a field of the line of /etc/passwd or /etc/group that has this name.
function lookup(path, name, field, part, found, got) {
	found = ""
	while ((getline got < path) > 0) {
		split(got, part, ":")
		if (part[1] == name || part[field] == name) { found = part[field]; break }
	}
	close(path)
	return found
}

function known_port(name, protocol, part, n, i, got, found, pair) {
	found = ""
	while (found == "" && (getline got < "etc/services") > 0) {
		sub(/#.*/, "", got)
		n = split(got, part, /[ \t]+/)
		split(part[2], pair, "/")
		if (pair[2] == protocol) for (i = 1; i <= n; i++) if (i != 2 && part[i] == name) found = pair[1]
	}
	close("etc/services")
	return found
}

function listed(list, name, words, n, i) {
	n = split(list, words, /[ \t]+/)
	for (i = 1; i <= n; i++) if (words[i] == name) return 1
	return 0
}

# finish(NAME): the block is whole; keeps the service if xinetd would offer it.
function finish(name, id, why, key) {
	id = "id" in block ? block["id"] : name
	if (tolower(block["disable"]) == "yes") return
	if (!("protocol" in block)) block["protocol"] = block["socket_type"] == "dgram" ? "udp" : "tcp"
	if (!("port" in block)) block["port"] = known_port(name, block["protocol"])
	if (!("socket_type" in block)) why = "missing attribute socket_type"
	else if (!("wait" in block)) why = "missing attribute wait"
	else if (!("user" in block)) why = "missing attribute user"
	else if (!("server" in block)) why = "missing attribute server"
	else if (block["port"] == "") why = "no such service in /etc/services"
	else if (!holds("x", block["server"])) why = "Server " block["server"] " is not executable"
	else if ((block["uid"] = lookup("etc/passwd", block["user"], 3)) == "") why = "Unknown user: " block["user"]
	else if ("group" in block && (block["gid"] = lookup("etc/group", block["group"], 3)) == "") why = "Unknown group: " block["group"]
	else if (id in seen) why = "id: " id " not unique or is a duplicate"
	if (why != "") {
		message("Service " name ": " why " - DISABLING" at())
		return
	}
	seen[id] = name
	order[++offered] = id
	for (key in block) set[id, key] = block[key]
	# These are taken over as the service is read, so only from a `defaults` before it; limits and log_type at the end.
	for (key in defaults)
		if (key ~ /^(log_on_success|log_on_failure|only_from|no_access|umask|groups)$/ && !(key in block)) set[id, key] = defaults[key]
}

# value(ID, KEY): the service's own value, else that of `defaults`, else what is given.
function value(id, key, otherwise) {
	return (id, key) in set ? set[id, key] : (key in defaults ? defaults[key] : otherwise)
}
function limit(number) { return number < 0 ? "UNLIMITED" : number }
function show_cps(indent, text, pair) { split(text, pair, " "); print indent "CPS = max conn:" pair[1] " wait:" pair[2] }
function short_mask(text) { sub(/^0+/, "", text); return text == "" ? "0" : text }

function addresses(list, nobody, words, n, i, pair, mask, bits, byte, out) {
	n = split(list, words, " ")
	if (!n) return nobody
	out = ""
	for (i = 1; i <= n; i++) {
		if (split(words[i], pair, "/") < 2) { out = out " " words[i] "(NUMERIC)"; continue }
		mask = ""
		for (bits = pair[2]; length(mask) == 0 || split(mask, byte, ".") < 4; bits -= 8)
			mask = mask (mask == "" ? "" : ".") (bits >= 8 ? 255 : (bits <= 0 ? 0 : 256 - 2 ^ (8 - bits)))
		out = out " " pair[1] "/" mask "(NET)"
	}
	return out
}

function options(list, all, words, n, i, out) {
	n = split(all, words, " ")
	for (i = 1; i <= n; i++) if (listed(list, words[i])) out = out " " words[i]
	return out
}

function logging(indent, id, type, own, words) {
	own = id != "" && (id, "log_type") in set
	type = own ? set[id, "log_type"] : defaults["log_type"]
	if (type == "") { print indent "No logging"; return }
	split(type, words, /[ \t]+/)
	if (toupper(words[1]) == "FILE")
		print indent (own || id == "" ? "Logging to file: " words[2] " (no limits)" : "Logging to common log file")
	else print indent "Logging to syslog. Facility = " words[2] ", level = " (words[3] == "" ? "info" : words[3])
	print indent "Log_on_success flags =" options(id == "" ? defaults["log_on_success"] : set[id, "log_on_success"], "HOST DURATION EXIT PID USERID")
	print indent "Log_on_failure flags =" options(id == "" ? defaults["log_on_failure"] : set[id, "log_on_failure"], "HOST ATTEMPT USERID")
}

function show_defaults() {
	print "Service defaults"
	if ("instances" in defaults) print "\tInstances = " limit(defaults["instances"])
	if ("groups" in defaults) print "\tGroups = " tolower(defaults["groups"])
	if ("umask" in defaults) print "\tumask = " short_mask(defaults["umask"])
	if ("cps" in defaults) show_cps("\t", defaults["cps"])
	if ("per_source" in defaults) print "\tPER_SOURCE = " defaults["per_source"]
	print "\tBind = All addresses."
	print "\tOnly from: " addresses(defaults["only_from"], "All sites")
	print "\tNo access: " addresses(defaults["no_access"], "No blocked sites")
	logging("\t", "")
}

# show_service(ID): what it sets itself of instances and cps is printed, what it inherits is not; PER_SOURCE always is.
function show_service(id, tab, program) {
	tab = "\t\t"
	print "Service = " id
	print "\tState = Active"
	print "\tService configuration: " seen[id]
	print tab "id = " id
	print tab "flags =" options(toupper(set[id, "flags"]), "REUSE NODELAY KEEPALIVE") (set[id, "bind"] ~ /[.]/ || toupper(set[id, "flags"]) ~ /IPV4/ ? " IPv4" : " IPv6")
	if ((id, "type") in set) print tab "type = " set[id, "type"]
	print tab "socket_type = " set[id, "socket_type"]
	print tab "Protocol (name,number) = (" set[id, "protocol"] "," (set[id, "protocol"] == "udp" ? 17 : 6) ")"
	print tab "port = " set[id, "port"]
	if ((id, "instances") in set) print tab "Instances = " limit(set[id, "instances"])
	print tab "wait = " set[id, "wait"]
	print tab "user = " set[id, "uid"]
	if ((id, "gid") in set) print tab "group = " set[id, "gid"]
	print tab "Groups = " tolower((id, "groups") in set ? set[id, "groups"] : "no")
	if ((id, "umask") in set) print tab "umask = " short_mask(set[id, "umask"])
	if ((id, "cps") in set) show_cps(tab, set[id, "cps"])
	print tab "PER_SOURCE = " value(id, "per_source", -1)
	print tab "Bind = " (set[id, "bind"] == "" ? "All addresses." : set[id, "bind"])
	print tab "Server = " set[id, "server"]
	program = set[id, "server"]
	sub(/.*\//, "", program)
	if (toupper(set[id, "flags"]) ~ /NAMEINARGS/) print tab "Server argv = " set[id, "server_args"]
	else print tab "Server argv = " program (set[id, "server_args"] == "" ? "" : " " set[id, "server_args"])
	print tab "Only from: " addresses(set[id, "only_from"], "All sites")
	print tab "No access: " addresses(set[id, "no_access"], "No blocked sites")
	logging(tab, id)
	print "\trunning servers = 0\n\tretry servers = 0\n\tattempts = 0"
	print "\tservice fd = " descriptor[id] "\n"
}

# The state before: which services there were, in which order, with which descriptors.
/^Service = / { before[++befores] = $3 }
/^\tservice fd = / { descriptor[before[befores]] = $4; used[$4] = 1 }

END {
	if (!holds("r", "etc/xinetd.conf")) exit 4
	read_file("etc/xinetd.conf")
	close("cat 1>&2")
	if (fatal) exit 3
	show_defaults()
	for (i = 1; i <= befores; i++) if (before[i] in seen) show_service(before[i])
	for (i = 1; i <= befores; i++) was[before[i]] = 1
	for (i = 1; i <= offered; i++) if (!(order[i] in was)) {
		for (fd = 5; fd in used; fd++) ;
		used[fd] = 1
		descriptor[order[i]] = fd
		show_service(order[i])
	}
}
