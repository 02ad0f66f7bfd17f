/* What the commands share: their entry points and the exit statuses that users may rely on. */
#ifndef WEIR_COMMANDS_H
#define WEIR_COMMANDS_H

enum exit_status {
    EXIT_FINE = 0,
    EXIT_USAGE = 2,      /* of every command but run */
    EXIT_UNREADABLE = 3, /* input that cannot be read, or not in whole; output that cannot be written */
    EXIT_FAILED = 125,   /* of run, as env(1): weir itself failed, the program was not started */
    EXIT_NOT_RUN = 126,  /* found, but cannot be executed */
    EXIT_NOT_FOUND = 127
};

int cmd_run(int count, char **arguments);
int cmd_report(int count, char **arguments);
int cmd_dump(int count, char **arguments);
int cmd_set(int count, char **arguments);
int cmd_mark(int count, char **arguments);
int cmd_doctor(int count, char **arguments);
int cmd_diff(int count, char **arguments);
int cmd_explain(int count, char **arguments);
int cmd_gate(int count, char **arguments);
int cmd_ls(int count, char **arguments);
int cmd_clean(int count, char **arguments);
int cmd_gate_canary(int count, char **arguments); /* what the gate runs to see whether it can see */

#endif
