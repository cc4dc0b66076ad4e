#!/bin/sh
# 7.5 to 9 have both names.
exec sh "${MAILWARD_ROOT:-}/usr/lib/stand-in/panel/mail.sh" mail.sh "$@"
