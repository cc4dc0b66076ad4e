# What the database answers to the statements that mailward has, and to no others.
#
# A query that asks for `mail.perm_id` is an error where `mail` has a `userId`: the name is ambiguous then, as MySQL 4.1 and
# all later ones say.

function table(name,   line, row) {
	rows = -1
	while ((getline line <(psa "/" name)) > 0) {
		if (++rows > 0) data[rows] = line
	}
	close(psa "/" name)
	return rows
}

function lookup(   row, field) {
	split("", domain)
	split("", user)
	for (row = table("domains"); row > 0; row--) {
		split(data[row], field, "\t")
		domain[field[1]] = field[2]
	}
	for (row = table("smb_users"); row > 0; row--) {
		split(data[row], field, "\t")
		user[field[1]] = data[row]
	}
}

# Puts the numbers of the list behind some words into `listed`.
function list(after,   rest, words, word, count) {
	split("", listed)
	rest = $0
	sub(".*" after, "", rest)
	sub(/\).*/, "", rest)
	count = split(rest, words, ",")
	for (word = 1; word <= count; word++) listed[words[word] + 0]
}

# As the query has it: `=` where it is the account's own.
function own(said, address) {
	return said == address ? "=" : "+" said
}

BEGIN { OFS = "\t" }

/^(SET|START|COMMIT)/ { next }

/^SHOW COLUMNS FROM mail;/ {
	print "id", "int(10) unsigned", "NO", "PRI", "NULL", "auto_increment"
	print "mail_name", "varchar(245)", "NO", "", "", ""
	print "perm_id", "int(10) unsigned", "NO", "MUL", "0", ""
	print "dom_id", "int(10) unsigned", "NO", "MUL", "0", ""
	print "userId", "int(10) unsigned", "NO", "MUL", "0", ""
	next
}

/^SELECT 'd',/ {
	count = table("domains")
	for (row = 1; row <= count; row++) print "d", data[row]
	next
}

/^SELECT 'c',/ {
	count = table("clients")
	for (row = 1; row <= count; row++) print "c", row, data[row]
	next
}

/^SELECT 'u',/ {
	lookup()
	whole = /m[.]userId,0/
	count = table("mail")
	for (row = 1; row <= count; row++) {
		split(data[row], field, "\t")
		address = field[3] "@" domain[field[2]]
		if (field[4] == 0) rest = "-" OFS
		else if (!(field[4] in user)) rest = "?" OFS
		else {
			split(user[field[4]], of, "\t")
			rest = of[5] OFS own(of[2], address)
		}
		if (whole && field[4] in user) rest = rest OFS field[4] OFS of[4] OFS own(of[3], of[2])
		else if (whole) rest = rest OFS field[4] OFS OFS
		print "u", field[1], field[2], field[3], rest
		# The client goes away in the middle.
		if (cut == "cut" && row * 2 > count) exit 1
	}
	next
}

# Users that belong to no account.
function others(told,   row, field, linked, count) {
	split("", linked)
	for (row = table("mail"); row > 0; row--) {
		split(data[row], field, "\t")
		linked[field[4]]
	}
	count = 0
	for (row = table("smb_users"); row > 0; row--) {
		split(data[row], field, "\t")
		if (field[1] in linked) continue
		count++
		if (told) print "v", field[1], field[5], field[4], field[2], field[3]
	}
	return count
}

/^SELECT 'v',/ { others(1); next }
/^SELECT 'mailward','users',/ { print "mailward", "users", others(0); next }
/^SELECT 'w',/ { next }
/^SELECT 'mailward','permissions',/ { print "mailward", "permissions", 0; next }

/^SELECT '[pso]',/ || /^SELECT 'mailward','shared',/ {
	print "ERROR 1052 (23000) at line " NR ": Column 'userId' in where clause is ambiguous" >"/dev/stderr"
	next
}

/^SELECT 'mailward','account',/ {
	lookup()
	count = table("mail")
	list("WHERE m[.]id IN [(]")
	for (row = 1; row <= count; row++) {
		split(data[row], field, "\t")
		if (!(field[1] in listed)) continue
		if (field[4] in user) split(user[field[4]], of, "\t")
		else split("0\t\t\t\t", of, "\t")
		print "mailward", "account", field[1], field[4], of[1], of[2], of[3], of[4], of[5]
	}
	next
}

/^SELECT 'mailward','user',/ {
	lookup()
	list("WHERE id IN [(]")
	for (id in listed) if (id in user) print "mailward", "user", id
	next
}

/^SELECT 'mailward','domains',/ { print "mailward", "domains", table("domains"); next }
/^SELECT 'mailward','clients',/ { print "mailward", "clients", table("clients"); next }
/^SELECT 'mailward','accounts',/ { print "mailward", "accounts", table("mail"); next }
/^SELECT 'mailward','(begin|columns|end)';/ { split($0, word, "'"); print "mailward", word[4]; next }

{ print "ERROR 1064 (42000) at line " NR ": You have an error in your SQL syntax" >"/dev/stderr" }
