/* cli: the command line of dhow.
 * cmd/dhow calls cli_main() and nothing else; commands are tables (base/opt.h) in the cmd-*.c
 * files, listed by group in commands.c. Output goes to stdout, errors once to stderr. */
#pragma once

/* Parse the globals, find the command, run it. Return the process's exit status:
 * 0, 125 (error of dhow), 126, 127, 130, or what the command documents. */
int cli_main(int argc, char **argv);
