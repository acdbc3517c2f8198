/* The list of commands, in the groups and the order of `dhow --help`. */
#include <string.h>

#include "base/xalloc.h"
#include "cli/cli-internal.h"

/* docker's and podman's second names for the same commands: `dhow container ls`. */
struct alias {
	const char *name;
	const char *aliases;
	const struct command *target;
};

/* clang-format off */
static const struct alias container_aliases[] = {
	{ "attach", NULL, &cmd_attach },
	{ "commit", NULL, &cmd_commit },
	{ "cp", NULL, &cmd_cp },
	{ "create", NULL, &cmd_create },
	{ "diff", NULL, &cmd_diff },
	{ "exec", NULL, &cmd_exec },
	{ "exists", NULL, &cmd_container_exists },
	{ "export", NULL, &cmd_export },
	{ "inspect", NULL, &cmd_container_inspect },
	{ "kill", NULL, &cmd_kill },
	{ "logs", NULL, &cmd_logs },
	{ "ls", "list,ps", &cmd_ps },
	{ "pause", NULL, &cmd_pause },
	{ "port", NULL, &cmd_port },
	{ "prune", NULL, &cmd_container_prune },
	{ "rename", NULL, &cmd_rename },
	{ "restart", NULL, &cmd_restart },
	{ "rm", "remove", &cmd_rm },
	{ "run", NULL, &cmd_run },
	{ "start", NULL, &cmd_start },
	{ "stop", NULL, &cmd_stop },
	{ "top", NULL, &cmd_top },
	{ "unpause", NULL, &cmd_unpause },
	{ "wait", NULL, &cmd_wait },
};

static const struct alias image_aliases[] = {
	{ "copy", NULL, &cmd_image_copy },
	{ "diff", NULL, &cmd_image_diff },
	{ "exists", NULL, &cmd_image_exists },
	{ "files", NULL, &cmd_image_files },
	{ "history", NULL, &cmd_history },
	{ "import", NULL, &cmd_import },
	{ "inspect", NULL, &cmd_image_inspect },
	{ "load", NULL, &cmd_load },
	{ "inventory", NULL, &cmd_image_inventory },
	{ "ls", "list", &cmd_images },
	{ "mount", NULL, &cmd_image_mount },
	{ "prune", NULL, &cmd_image_prune },
	{ "pull", NULL, &cmd_pull },
	{ "push", NULL, &cmd_push },
	{ "rm", "remove", &cmd_rmi },
	{ "save", NULL, &cmd_save },
	{ "sign", NULL, &cmd_image_sign },
	{ "squash", "flatten", &cmd_image_squash },
	{ "sync", NULL, &cmd_image_sync },
	{ "tag", NULL, &cmd_tag },
	{ "tree", NULL, &cmd_image_tree },
	{ "unmount", "umount", &cmd_image_unmount },
	{ "untag", NULL, &cmd_untag },
	{ "verify", NULL, &cmd_image_verify },
};

static const struct alias system_aliases[] = {
	{ "check", NULL, NULL }, /* of the store: podman's place for it */
	{ "df", NULL, &cmd_system_df },
	{ "events", NULL, &cmd_events },
	{ "info", NULL, &cmd_info },
	{ "prune", NULL, &cmd_system_prune },
};
/* clang-format on */

static struct command container_commands[ARRAY_LEN(container_aliases) + 1];
static struct command image_commands[ARRAY_LEN(image_aliases) + 1];
static struct command system_commands[ARRAY_LEN(system_aliases) + 1];

static void fill(struct command *sub, const struct alias *aliases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct alias *a = &aliases[i];

		sub[i] = a->target ? *a->target : cmd_store.sub[0];
		sub[i].name = a->name;
		sub[i].aliases = a->aliases;
	}
}

void cli_commands_init(void)
{
	cli_volume_init();
	fill(container_commands, container_aliases, ARRAY_LEN(container_aliases));
	fill(image_commands, image_aliases, ARRAY_LEN(image_aliases));
	fill(system_commands, system_aliases, ARRAY_LEN(system_aliases));
}

static const struct command cmd_container = {
	.name = "container",
	.summary = "Manage containers",
	.sub = container_commands,
};
static const struct command cmd_image = {
	.name = "image",
	.summary = "Manage images",
	.sub = image_commands,
};
static const struct command cmd_system = {
	.name = "system",
	.summary = "Look after dhow as a whole",
	.sub = system_commands,
};

/* clang-format off */
static const struct command *const run_group_commands[] = {
	&cmd_run, &cmd_exec, &cmd_ps, &cmd_logs, &cmd_stop, &cmd_rm, &cmd_pull, &cmd_images, NULL
};
static const struct command *const container_group_commands[] = {
	&cmd_create, &cmd_start, &cmd_restart, &cmd_kill, &cmd_pause, &cmd_unpause, &cmd_wait,
	&cmd_attach, &cmd_cp, &cmd_diff, &cmd_export, &cmd_commit, &cmd_top, &cmd_port, &cmd_rename, NULL
};
static const struct command *const image_group_commands[] = {
	&cmd_push, &cmd_rmi, &cmd_tag, &cmd_untag, &cmd_history, &cmd_save, &cmd_load, &cmd_import,
	&cmd_login, &cmd_logout, NULL
};
static const struct command *const system_group_commands[] = {
	&cmd_inspect, &cmd_events, &cmd_info, &cmd_version, &cmd_completion, NULL
};
static const struct command *const management_commands[] = {
	&cmd_artifact, &cmd_container, &cmd_image, &cmd_manifest, &cmd_network, &cmd_registry, &cmd_store, &cmd_system, &cmd_volume, NULL
};
static const struct command *const hidden_commands[] = {
	&cmd_after_exit, &cmd_complete, &cmd_man, NULL
};
/* clang-format on */

const struct command_group cli_groups[] = {
	{ "Everyday", run_group_commands },
	{ "Containers", container_group_commands },
	{ "Images", image_group_commands },
	{ "Information", system_group_commands },
	{ "Groups of commands", management_commands },
	{ "Hidden", hidden_commands },
	{ 0 },
};

const struct command *cli_find(const char *name)
{
	for (const struct command_group *g = cli_groups; g->title; g++)
		for (const struct command *const *c = g->commands; *c; c++) {
			struct command pair[2] = { **c, { 0 } };

			if (command_find(pair, name))
				return *c;
		}
	return NULL;
}

struct command *cli_flat(void)
{
	struct command *all = NULL;
	size_t n = 0;

	for (const struct command_group *g = cli_groups; g->title; g++)
		for (const struct command *const *c = g->commands; *c; c++)
			VEC_PUSH(all, n, **c);
	VEC_PUSH(all, n, (struct command){ 0 });
	return all;
}

static void print_group(const struct command_group *g, FILE *out)
{
	if (g->commands[0]->hidden)
		return;
	fprintf(out, "\n%s:\n", g->title);
	for (const struct command *const *c = g->commands; *c; c++)
		fprintf(out, "  %-12s %s\n", (*c)->name, (*c)->summary);
}

void cli_print_help(FILE *out)
{
	fputs("Usage: dhow [OPTIONS] COMMAND [ARG...]\n\n"
	      "Pull, run and look after OCI containers, without a daemon.\n",
	      out);
	for (const struct command_group *g = cli_groups; g->title; g++)
		print_group(g, out);
	fputs("\nOptions:\n", out);
	opt_print_table(cli_global_options, out);
	fputs("\nRun 'dhow COMMAND --help' for the options of a command.\n", out);
}
