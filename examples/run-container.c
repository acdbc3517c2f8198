/* Run a container in this process: a bundle's program, and another one beside it.
 *
 *   cc run-container.c $(pkg-config --cflags --libs dhow-oci)
 *   ./a.out STATE-ROOT BUNDLE ID [COMMAND...]
 *
 * Exits with the program's status. */
#include <dhow/oci.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static int fail(const char *what, const struct dhow_oci_error *err)
{
	fprintf(stderr, "%s: %s%s%s\n", what, err->message, err->hint[0] ? "; " : "", err->hint);
	return err->code == DHOW_OCI_NO_COMMAND ? 127 : err->code == DHOW_OCI_NOT_EXEC ? 126 : 1;
}

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A command inside the running container. */
static int run_beside(struct dhow_oci *oci, const char *id, char **argv)
{
	struct dhow_oci_error err;
	struct dhow_oci_process *p;
	int status = 0;

	if (dhow_oci_exec(oci, id, NULL, (const char *const *)argv, NULL, &p, &err) < 0)
		return fail("exec", &err);
	if (dhow_oci_process_wait(p, -1, &status, &err) < 0)
		return fail("wait", &err);
	dhow_oci_process_free(p);
	printf("exec ended with %d\n", exit_status(status));
	return 0;
}

static int run(struct dhow_oci *oci, const char *id, struct dhow_oci_bundle *bundle, char **command)
{
	struct dhow_oci_error err;
	struct dhow_oci_process *init;
	struct dhow_oci_state *state;
	int status = 0;

	if (dhow_oci_create(oci, id, bundle, NULL, &init, &err) < 0)
		return fail("create", &err);
	if (dhow_oci_start(oci, id, &err) < 0) {
		status = fail("start", &err);
		dhow_oci_process_wait(init, 5000, NULL, NULL);
		dhow_oci_delete(oci, id, 1, NULL);
		dhow_oci_process_free(init);
		return status;
	}
	if (dhow_oci_state(oci, id, &state, &err) < 0)
		return fail("state", &err);
	printf("%s runs as process %d\n", id, (int)dhow_oci_state_pid(state));
	fflush(stdout);
	dhow_oci_state_free(state);
	if (command[0]) {
		status = run_beside(oci, id, command);
		if (status || dhow_oci_kill(oci, id, SIGKILL, 0, &err) < 0)
			return status ? status : fail("kill", &err);
	}
	if (dhow_oci_process_wait(init, -1, &status, &err) < 0)
		return fail("wait", &err);
	if (dhow_oci_delete(oci, id, 0, &err) < 0)
		return fail("delete", &err);
	dhow_oci_process_free(init);
	return exit_status(status);
}

int main(int argc, char **argv)
{
	struct dhow_oci_error err;
	struct dhow_oci_bundle *bundle;
	struct dhow_oci *oci;
	int status;

	if (argc < 4) {
		fprintf(stderr, "usage: %s STATE-ROOT BUNDLE ID [COMMAND...]\n", argv[0]);
		return 2;
	}
	if (dhow_oci_open(argv[1], &oci, &err) < 0)
		return fail("open", &err);
	if (dhow_oci_bundle_load(argv[2], NULL, &bundle, &err) < 0)
		return fail("load", &err);
	for (size_t i = 0; dhow_oci_bundle_warning(bundle, i); i++)
		fprintf(stderr, "warning: %s\n", dhow_oci_bundle_warning(bundle, i));
	status = run(oci, argv[3], bundle, argv + 4);
	dhow_oci_bundle_free(bundle);
	dhow_oci_free(oci);
	return status;
}
