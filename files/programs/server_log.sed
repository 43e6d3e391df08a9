# What a server's log keeps, by rules of sed -E: who, the SQLSTATE, and a message that names objects and no value.
# A line is "TIME [PROCESS] SQLSTATE LOGIN@DATABASE SEVERITY:  MESSAGE" (log_line_prefix in the role server_settings); DETAIL, HINT,
# CONTEXT and the statement are not written at all. The classes: https://www.postgresql.org/docs/current/errcodes-appendix.html

# The second line of a message, and those after it: only what somebody wrote has more than one.
/^	/d

# Of no session: the server's own words, but for errors of its workers, which apply rows.
/^[0-9-]+ [0-9:.]+ [^ ]+ \[[0-9]+\] [0-9A-Z]{5} (DEBUG[1-5]|LOG|WARNING|FATAL|PANIC):  /b

# Connections, transactions, rights, locks, resources, the end of a session: whole.
/^[0-9-]+ [0-9:.]+ [^ ]+ \[[0-9]+\] (03|08|0A|25|28|40|53|54|55|57|58|F0|HV|42501)/b
/^[0-9-]+ [0-9:.]+ [^ ]+ \[[0-9]+\] 00000 [^ ]+@[^ ]+ LOG:  process [0-9]+ [a-z ]+ [A-Za-z]+ on [a-z0-9 (),]+ after [0-9.]+ ms$/b

# Broken rules, by their names. Citus hands on as internal errors (XX) what a worker said: none with a document (TI-1072319876) is kept.
/^[0-9-]+ [0-9:.]+ [^ ]+ \[[0-9]+\] (23|XX)/{
  /:  [a-z -]*("[^"]*" [a-z -]*)*violates [a-z -]*constraint( "[^"]*")?( on table "[^"]*")?$/b
  /:  (no partition of relation|could not create unique index) "[^"]*"( found for row)?$/b
}
/^[0-9-]+ [0-9:.]+ [^ ]+ \[[0-9]+\] XX[^"]*$/{
  /[^0-9A-Z][A-Z]{2}-[0-9A-Z]{4,20}/!b
}

# Else the message may quote what was typed, or say what somebody let it say.
s/^([0-9-]+ [0-9:.]+ [^ ]+ \[[0-9]+\] [0-9A-Z]{5} ([^ ]*@[^ ]* )?(DEBUG[1-5]|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC):  ).*/\1(not kept: it may quote a person's data)/
t
s/^([0-9-]+ [0-9:.]+ [^ ]+ \[[0-9]+\] [0-9A-Z]{5} ).*/\1(not kept: it may quote a person's data)/
