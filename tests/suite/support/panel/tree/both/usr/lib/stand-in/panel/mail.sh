# The vendor's `mail` utility as far as panel access goes. Called as `mail.sh NAME ARGUMENT...` by bin/mail, bin/mail.sh
# and `plesk bin mail`. Each behaviour names what it rests on; "not documented" means that nothing published tells.

. "${MAILWARD_ROOT:-}/usr/lib/stand-in/panel/common.sh"

name=$1
record "$@"
shift
read -r spelling <"$state/spelling" || spelling=

# Plesk 7.5's help text, shortened; later ones have more options, and from about 2015 the other spelling.
help() {
	cat <<END
Usage: $name command <mail_name> [options]
    Available commands:
    --create or -c     <mail>@<domain> creates mail account
    --update or -u     <mail>@<domain> updates mail account parameters
    --remove or -r     <mail>@<domain> removes mail account
    --info or -i       <mail>@<domain> retrieves mail account information
    --on               <domain>        enables mail service for domain
    --off              <domain>        disables mail service for domain
    --help or -h                       displays this help page

    Available options:
END
	if [ -n "$spelling" ]; then
		printf '    %-18s <true|false>    enables control panel access (default: true)\n' "$spelling"
	fi
	cat <<'END'
    -mailbox           <true|false>    creates/removes mailbox
    -passwd            <passwd>        sets mailbox password [see the note below for details]
    -passwd_type       <plain|crypt>   defines type of mail password, ignored when no password specified
    -mbox_quota        <KB>            limits the mailbox quota to the desired amount
    -multiple-sessions <true|false>    allow multiple sessions

Note:
 For security reasons, you can transfer not encrypted passwords via environment variable PSA_PASSWORD, by specifying the
 empty value in the command line for the passwd arguments (like " -passwd ''") and setting the password value in the
 PSA_PASSWORD variable.
END
}

# Exit code 1 and a message on standard error: seen on Onyx and Obsidian by several authors. The wording is 7.5's, whose
# stream and exit code are not documented; later it has "does not exist", of which the rest is not documented.
no_such() {
	case $generation in
	nine) echo "An error occured during $1: Mailname '$2' doesn't exists" >&2 ;;
	ten) echo "An error occurred during $1: mail name '$2' does not exist" >&2 ;;
	esac
	exit 1
}

# Not documented: the wording and the code of a usage error.
usage_error() {
	echo "$1" >&2
	exit 1
}

# Not documented: what is said when the database is away.
no_database() {
	echo 'ERROR: Unable to connect to database' >&2
	exit 1
}

# find ADDRESS WHAT: sets $id, $domain and $mailbox. The domain's ASCII name only: whether the other is taken is not
# documented. The columns' collation ignores case, and so does this.
find() {
	found=$(sql <<END
SELECT m.id, d.name, m.postbox FROM mail m JOIN domains d ON d.id = m.dom_id
WHERE m.mail_name = $(literal "${1%@*}") AND d.name = $(literal "${1##*@}");
END
	) || no_database
	[ -n "$found" ] || no_such "$2" "$1"
	read -r id domain mailbox <<END
$found
END
}

# 7.5's output has "CP Access" and the plain password; a sample from Onyx has neither.
info() {
	find "$1" 'getting mailname information'
	case $generation in
	nine)
		access=$(sql <<END
SELECT IF(COUNT(*) = 0, 'false', 'true') FROM mail m JOIN Permissions p ON p.id = m.perm_id
WHERE m.id = $id AND p.permission = 'cp_access' AND p.value = 'true';
END
		) || no_database
		password=$(echo "SELECT a.password FROM accounts a JOIN mail m ON m.account_id = a.id WHERE m.id = $id;" | sql)
		cat <<END
Mailname:           ${1%@*}
Domain:             $domain
CP Access:          $access
Mailbox:            $mailbox
Password:           $password
Password type:      plain
Mbox quota:         Unlimited
Redirect:           false
Mailgroup:          false
File repository:    Empty
Autoresponder:      false
Antivirus mail
checking:           Disabled

END
		;;
	ten)
		cat <<END
Mailname:           ${1%@*}
Domain:             $domain
Mailbox:            $mailbox
Password type:      sym
Mbox quota:         Default value (Unlimited)
Mailgroup:          false
Attachment files:   Empty
Autoresponders:     Disabled

END
		;;
	esac
	echo "SUCCESS: Gathering information for '$1' complete"
}

# The row of 7.5 to 9. That a missing row is made is not documented; what else could `true` do.
set_nine() {
	sql <<END || no_database
START TRANSACTION;
SELECT GREATEST((SELECT COALESCE(MAX(id), 0) FROM Permissions), (SELECT MAX(perm_id) FROM mail)) + 1 INTO @new;
UPDATE mail SET perm_id = @new WHERE id = $id AND perm_id = 0;
REPLACE INTO Permissions (id, permission, value) SELECT perm_id, 'cp_access', '$1' FROM mail WHERE id = $id;
COMMIT;
END
}

# From 10 on: the backup agent tells what is so when access is true; what the command does to get there is not
# documented, so that each way is played.
set_ten() {
	user=$(echo "SELECT u.id FROM mail m JOIN smb_users u ON u.id = m.userId WHERE m.id = $id;" | sql) || no_database
	case $1 in
	true)
		read -r way <"$state/on-true"
		if [ -n "$user" ]; then
			echo "UPDATE smb_users SET isLocked = 0 WHERE id = $user;" | sql || no_database
		elif [ "$way" = needs-user ]; then
			usage_error "Unable to enable access to the panel: the mail account has no user"
		else
			sql <<END || no_database
START TRANSACTION;
SELECT CONCAT(m.mail_name, '@', d.name), d.cl_id INTO @address, @owner
  FROM mail m JOIN domains d ON d.id = m.dom_id WHERE m.id = $id;
INSERT INTO smb_users (login, email, uuid, roleId, ownerId)
  SELECT @address, @address, UUID(), 5, @owner FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM smb_users WHERE login = @address);
UPDATE smb_users SET isLocked = 0 WHERE login = @address;
UPDATE mail SET userId = (SELECT id FROM smb_users WHERE login = @address) WHERE id = $id;
COMMIT;
END
		fi
		;;
	false)
		[ -n "$user" ] || return 0
		read -r way <"$state/on-false"
		case $way in
		lock) echo "UPDATE smb_users SET isLocked = 1 WHERE id = $user;" ;;
		unlink) echo "UPDATE mail SET userId = 0 WHERE id = $id;" ;;
		delete) echo "UPDATE mail SET userId = 0 WHERE id = $id; DELETE FROM smb_users WHERE id = $user;" ;;
		dangle) echo "DELETE FROM smb_users WHERE id = $user;" ;;
		esac | sql || no_database
		;;
	esac
}

# meddle: what somebody else does to this account at this moment, in SQL that may use @mail and @user.
meddle() {
	case $generation in
	nine) linked=NULL ;;
	ten) linked="(SELECT userId FROM mail WHERE id = $id)" ;;
	esac
	printf '%s\n' "SET @mail = $id, @user = $linked;" "$detail" | sql
}

update() {
	address=${1-}
	access=
	[ $# -gt 0 ] || usage_error 'No mail name is given'
	shift
	while [ $# -gt 0 ]; do
		# Only the spelling that the help lists: whether any release takes both is not documented.
		if [ -z "$spelling" ] || [ "$1" != "$spelling" ]; then
			usage_error "Unrecognized option: $1"
		fi
		case ${2-} in
		true | false) access=$2 ;;
		*) usage_error "Invalid value for option $1: ${2-}" ;;
		esac
		shift 2
	done

	number=0
	[ ! -f "$state/updates" ] || read -r number <"$state/updates"
	number=$((number + 1))
	echo "$number" >"$state/updates"

	# A call starts the panel's PHP: tenths of a second to seconds.
	if wished slow "$number"; then sleep "$detail"; fi
	if wished kill-server-before "$number"; then kill_server; fi
	if wished print-password "$number"; then
		echo "Warning: password '$(echo "SELECT a.password FROM accounts a JOIN mail m ON m.account_id = a.id JOIN domains d
			ON d.id = m.dom_id WHERE CONCAT(m.mail_name, '@', d.name) = $(literal "$address");" | sql)' is too weak" >&2
	fi
	if wished hang-before "$number"; then exec sleep 600; fi
	if wished fail "$number"; then usage_error 'An error occured during mailname update: Internal error'; fi
	if wished lie "$number"; then
		echo "SUCCESS: Update of mailname '$address' complete"
		exit 0
	fi

	find "$address" 'mailname update'
	if [ -n "$access" ]; then
		"set_$generation" "$access"
	fi

	if wished meddle "$number"; then meddle; fi
	if wished hang-after "$number"; then exec sleep 600; fi
	if wished kill-server-after "$number"; then kill_server; fi
	if wished do-and-fail "$number"; then usage_error 'An error occured during mailname update: Unable to run event handlers'; fi
	# Vendor text has "SUCCESS: " in front on success; the rest is not documented.
	echo "SUCCESS: Update of mailname '$address' complete"
}

case ${1-} in
--help | -h | '') help ;;
--info | -i) info "${2-}" ;;
--update | -u)
	shift
	update "$@"
	;;
*) usage_error "Unrecognized command: $1" ;;
esac
