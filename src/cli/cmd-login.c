/* login, logout: credentials of registries. */
#include <errno.h>
#include <string.h>
#include <termios.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "image/login.h"
#include "oci/ref.h"

struct login_opts {
	const char *user;
	const char *password;
	const char *authfile;
	const char *cert_dir;
	bool password_stdin;
	bool get_login;
	bool all;
	int tls_verify;
};

#define L(field) OPT(struct login_opts, field)
/* clang-format off */
#define OPTION_AUTHFILE { "authfile", 0, OPT_STR, L(authfile), "FILE", "where credentials are kept (default $REGISTRY_AUTH_FILE, auth.json)", 0, COMPLETE_FILE }

static const struct opt login_options[] = {
	OPTION_AUTHFILE,
	{ "cert-dir", 0, OPT_STR, L(cert_dir), "DIR", "client certificates and CAs of the registry", 0, COMPLETE_DIR },
	{ "get-login", 0, OPT_BOOL, L(get_login), NULL, "print who is logged in, and do nothing", 0, 0 },
	{ "password", 'p', OPT_STR, L(password), "PASSWORD", "the password; others can see it in the list of processes", 0, 0 },
	{ "password-stdin", 0, OPT_BOOL, L(password_stdin), NULL, "read the password from standard input", 0, 0 },
	{ "tls-verify", 0, OPT_TRISTATE, L(tls_verify), NULL, "refuse http and certificates that do not verify (default true, but http on loopback)", 0, 0 },
	{ "username", 'u', OPT_STR, L(user), "USER", "the user", 0, 0 },
	OPT_END
};
static const struct opt logout_options[] = {
	{ "all", 'a', OPT_BOOL, L(all), NULL, "forget the credentials of every registry", 0, 0 },
	OPTION_AUTHFILE,
	OPT_END
};
/* clang-format on */

#define PASSWORD_MAX 4096

/* The registry of an argument such as "docker.io", "https://r.example/" or "r.example/team". */
static int registry_of(struct cmd_ctx *ctx, const char *text, char **ret)
{
	AUTO_FREE char *name = NULL;
	AUTO_REF ref = IMAGE_REF_INIT;
	const char *scheme = text ? strstr(text, "://") : NULL;

	if (!text) {
		*ret = xstrdup(REF_DEFAULT_DOMAIN);
		return 0;
	}
	text = scheme ? scheme + 3 : text;
	/* a reference's grammar decides what a registry's name may be */
	name = xasprintf("%.*s/x", (int)strcspn(text, "/"), text);
	if (image_ref_parse(name, &ref, &ctx->err) < 0 || strcmp(ref.path, "x")) {
		err_set(&ctx->err, E_INVALID, "'%s' is not the name of a registry", text);
		return err_hint(&ctx->err, "such as docker.io or registry.example.com:5000");
	}
	*ret = xstrdup(ref.domain);
	return 0;
}

/* One line from standard input, without echo when secret. Caller wipes and frees. */
static int ask_line(struct cmd_ctx *ctx, const char *prompt, bool secret, char **ret)
{
	struct termios old, quiet;
	char *line = xcalloc(1, PASSWORD_MAX);
	bool hidden = secret && tcgetattr(STDIN_FILENO, &old) == 0;
	bool got;

	fprintf(stderr, "%s: ", prompt);
	if (hidden) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	got = fgets(line, PASSWORD_MAX, stdin) != NULL;
	if (hidden) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	line[strcspn(line, "\r\n")] = '\0';
	*ret = line;
	if (got && line[0])
		return 0;
	return err_set(&ctx->err, E_INVALID, "login: no %s given", secret ? "password" : "user");
}

static int read_password(struct cmd_ctx *ctx, const struct login_opts *o, char **ret)
{
	size_t len;

	if (o->password) {
		log_warn("--password can be seen by others; --password-stdin cannot");
		*ret = xstrdup(o->password);
		return 0;
	}
	if (o->password_stdin) {
		if (fd_read_all(STDIN_FILENO, PASSWORD_MAX, ret, &len, &ctx->err) < 0)
			return err_ctx(&ctx->err, "read the password");
		(*ret)[strcspn(*ret, "\r\n")] = '\0';
		if ((*ret)[0])
			return 0;
		return err_set(&ctx->err, E_INVALID, "login: standard input has no password");
	}
	if (!isatty(STDIN_FILENO)) {
		err_set(&ctx->err, E_INVALID, "login: there is no terminal to ask on");
		return err_hint(&ctx->err, "use --username and --password-stdin");
	}
	return ask_line(ctx, "Password", true, ret);
}

static int log_in(struct cmd_ctx *ctx, const struct login_opts *o, const char *domain)
{
	AUTO_FREE char *user = xstrdup_null(o->user);
	AUTO_FREE char *password = NULL;
	struct login login = { .domain = domain,
		               .tls_verify = o->tls_verify,
		               .cert_dir = o->cert_dir,
		               .cancel = cli_cancelled() };
	int r;

	if (!user && isatty(STDIN_FILENO) && !o->password_stdin &&
	    ask_line(ctx, "Username", false, &user) < 0)
		return -1;
	if (!user)
		return err_set(&ctx->err, E_INVALID, "login: needs --username");
	if (strchr(user, ':'))
		return err_set(&ctx->err, E_INVALID, "login: a user's name has no ':'");
	r = read_password(ctx, o, &password);
	if (r == 0) {
		login.user = user;
		login.password = password;
		cli_catch_signals();
		r = registry_login(&login, &ctx->err);
		cli_release_signals();
	}
	if (r == 0)
		r = creds_store(o->authfile, domain, user, password, &ctx->err);
	if (password)
		explicit_bzero(password, strlen(password));
	return r;
}

static int print_login(struct cmd_ctx *ctx, const struct login_opts *o, const char *domain)
{
	AUTO_FREE char *user = NULL;

	if (creds_user(o->authfile, domain, &user, &ctx->err) < 0)
		return -1;
	if (!user)
		return err_set(&ctx->err, E_NOT_FOUND, "not logged in to '%s'", domain);
	puts(user);
	return 0;
}

static int run_login(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct login_opts o = { .tls_verify = -1 };
	AUTO_STRV args = STRV_INIT;
	AUTO_FREE char *domain = NULL;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.password && o.password_stdin)
		return err_set(&ctx->err, E_INVALID,
		               "options --password and --password-stdin exclude each other");
	if (registry_of(ctx, args.len ? args.items[0] : NULL, &domain) < 0)
		return -1;
	if (o.get_login)
		return print_login(ctx, &o, domain);
	if (log_in(ctx, &o, domain) < 0)
		return -1;
	puts("Login Succeeded!");
	return 0;
}

static int run_logout(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct login_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_FREE char *domain = NULL;
	int count, r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.all && args.len)
		return err_set(&ctx->err, E_INVALID, "logout: --all takes no registry");
	if ((!o.all && registry_of(ctx, args.len ? args.items[0] : NULL, &domain) < 0) ||
	    creds_forget(o.authfile, domain, &count, &ctx->err) < 0)
		return -1;
	if (!o.all && !count)
		return err_set(&ctx->err, E_NOT_FOUND, "not logged in to '%s'", domain);
	if (o.all)
		puts("Removed the credentials of every registry");
	else
		printf("Removed login credentials for %s\n", domain);
	return 0;
}

const struct command cmd_login = {
	.name = "login",
	.args = "[REGISTRY]",
	.summary = "Log in to a registry",
	.tables = { login_options },
	.max_args = 1,
	.run = run_login,
};

const struct command cmd_logout = {
	.name = "logout",
	.args = "[REGISTRY]",
	.summary = "Forget the credentials of a registry",
	.tables = { logout_options },
	.max_args = 1,
	.run = run_logout,
};
