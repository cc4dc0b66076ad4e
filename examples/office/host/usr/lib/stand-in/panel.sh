# The panel's database and its command for mail accounts. Called by usr/bin/mysql and usr/local/psa/bin/mail, never alone.
#
# The tables that are asked for are files in var/lib/stand-in/psa, one row a line, tabs between; the first line names the
# columns. They are those of Plesk since 10 (its own pre-upgrade checker and backup agent): an account names a user of the
# panel in mail.userId, or nobody with 0, and a user with isLocked = 1 cannot log in. What the real command does to a user
# whose account loses its panel access is not documented; this one locks it.

. "${MAILWARD_ROOT:?}/usr/lib/stand-in/common.sh"
psa=var/lib/stand-in/psa

# mysql ARGUMENT...: the client, which reads statements from its input and goes on after an error, as with -f.
mysql() {
	case "$(wish mysql)" in
	down)
		echo "ERROR 2002 (HY000): Can't connect to local MySQL server through socket (2)" >&2
		return 1
		;;
	esac
	# As MySQL has it: the administrator's password is what stands in the file that the vendor's scripts take it from.
	if [ "${MYSQL_PWD-}" != "$(cat etc/psa/.psa.shadow)" ]; then
		echo "ERROR 1045 (28000): Access denied for user 'admin'@'localhost' (using password: YES)" >&2
		return 1
	fi
	awk -v psa="$psa" -v cut="$(wish mysql)" -f usr/lib/stand-in/mysql.awk
}

usage() {
	cat <<'END'
Usage: mail command <mail_name> [options]

    Available commands:
    --update or -u     <mail>@<domain> updates mail account parameters
    --help or -h                       displays this help page

    Available options:
    -cp-access         <true|false>    enables control panel access (default: true)
END
}

# mail COMMAND ...: the panel's command.
mail() {
	case "${1-}" in
	--help | -h)
		usage
		return 0
		;;
	--update | -u) ;;
	*)
		echo "Unknown command ${1-}" >&2
		return 1
		;;
	esac
	address=${2-} option=${3-} value=${4-}
	case "$option $value" in
	"-cp-access true" | "-cp-access false") ;;
	*)
		echo "Unknown option $option $value" >&2
		return 1
		;;
	esac
	case "$(wish mail)" in
	lie)
		echo "SUCCESS: Update of mailname '$address' complete"
		return 0
		;;
	fail) return 1 ;;
	hang)
		sleep 600
		return 1
		;;
	esac
	awk -F '\t' -v OFS='\t' -v psa="$psa" -v address="$address" -v value="$value" -v wish="$(wish mail)" -v end=".$$" '
		FILENAME == psa "/domains" { domain[$1] = $2; next }
		FILENAME == psa "/mail" && FNR > 1 && $3 "@" domain[$2] == address { found = FNR; user = $4; next }
		FILENAME == psa "/smb_users" { users[FNR] = $0; rows = FNR; if (FNR > 1 && $1 > last) last = $1 }
		END {
			if (!found) exit 1
			if (wish == "unlink" && value == "false") {
				relink(0)
			} else {
				if (user == 0 && value == "true") {
					users[++rows] = (user = last + 1) OFS address OFS address OFS 4 OFS 0
					relink(user)
				}
				for (row = 2; row <= rows; row++) {
					split(users[row], field, "\t")
					if (field[1] == user)
						users[row] = field[1] OFS field[2] OFS field[3] OFS field[4] OFS (value == "true" ? 0 : 1)
				}
			}
			for (row = 1; row <= rows; row++) print users[row] >(psa "/.smb_users" end)
		}
		function relink(to,   line, number, field) {
			while ((getline line <(psa "/mail")) > 0) {
				if (++number == found) {
					split(line, field, "\t")
					line = field[1] OFS field[2] OFS field[3] OFS to
				}
				print line >(psa "/.mail" end)
			}
		}' "$psa/domains" "$psa/mail" "$psa/smb_users"
	status=$?
	for table in mail smb_users; do
		if [ -f "$psa/.$table.$$" ]; then
			mv -f "$psa/.$table.$$" "$psa/$table"
		fi
	done
	if [ "$status" -ne 0 ]; then
		echo "An error occured during mailname update: Mailname '$address' doesn't exists" >&2
		return 1
	fi
	echo "SUCCESS: Update of mailname '$address' complete"
}

"$@"
