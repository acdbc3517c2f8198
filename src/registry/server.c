/* registry_serve: from options to a listening server, its signals, and its end. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "registry/connection.h"
#include "registry/listen.h"
#include "registry/proxy.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <time.h>

#define PEM_MAX          (1u << 20)
#define CONNECTION_BYTES (128u << 10) /* headers, and pieces of a body of half of that */
#define STACK_BYTES      (256u << 10)
#define TICK_S           5
#define SWEEP_MS         (3600 * 1000)
#define TLS_PRIORITIES   "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define FLAGS                                                                                      \
	(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |          \
	 MHD_USE_ITC | MHD_USE_ERROR_LOG)

/* The library's last words, for who asks why it did not start. */
static char library_says[200];

static void library_log(void *ctx, const char *format, va_list ap) PRINTF_LIKE(2, 0);
static void library_log(void *ctx, const char *format, va_list ap)
{
	size_t len;

	(void)ctx;
	vsnprintf(library_says, sizeof(library_says), format, ap);
	len = strlen(library_says);
	while (len && (library_says[len - 1] == '\n' || library_says[len - 1] == '.'))
		library_says[--len] = '\0';
	log_debug("libmicrohttpd: %s", library_says);
}

/* --- certificates --- */

struct tls {
	char *cert;
	char *key;
};

static void tls_done(struct tls *tls)
{
	if (tls->key)
		explicit_bzero(tls->key, strlen(tls->key));
	free(tls->cert);
	free(tls->key);
	*tls = (struct tls){ 0 };
}

static int tls_read(const struct registry_serve_options *o, struct tls *ret, struct err *err)
{
	size_t len;

	if (!o->tls_cert)
		return 0;
	if (file_read_at(AT_FDCWD, o->tls_cert, PEM_MAX, &ret->cert, &len, err) < 0 ||
	    file_read_at(AT_FDCWD, o->tls_key, PEM_MAX, &ret->key, &len, err) < 0)
		return err_ctx(err, "read certificates");
	return 0;
}

/* --- the daemon --- */

/* The daemon gets a socket of its own: the library closes it in its own time. */
static struct MHD_Daemon *start(struct listener *l, int fd, struct err *err)
{
	const struct registry_serve_options *o = l->server->options;
	struct tls tls = { 0 };
	struct MHD_Daemon *daemon = NULL;
	struct MHD_OptionItem options[16] = { { MHD_OPTION_END, 0, NULL } };
	size_t n = 0;
	int own;

	if (tls_read(o, &tls, err) < 0)
		goto out;
	own = fd_dup(fd);
	if (own < 0) {
		err_sys(err, -own, "start the HTTP server");
		goto out;
	}
	options[n++] = (struct MHD_OptionItem){ MHD_OPTION_LISTEN_SOCKET, own, NULL };
	options[n++] = (struct MHD_OptionItem){ MHD_OPTION_CONNECTION_LIMIT,
		                                (intptr_t)o->max_connections, NULL };
	options[n++] = (struct MHD_OptionItem){ MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		                                CONNECTION_BYTES, NULL };
	options[n++] = (struct MHD_OptionItem){ MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES, NULL };
	options[n++] = (struct MHD_OptionItem){ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL };
	options[n++] =
		(struct MHD_OptionItem){ MHD_OPTION_CONNECTION_TIMEOUT,
		                         (intptr_t)((o->idle_timeout_ms + 999) / 1000), NULL };
	options[n++] = (struct MHD_OptionItem){ MHD_OPTION_NOTIFY_COMPLETED,
		                                (intptr_t)connection_completed, l };
	options[n++] = (struct MHD_OptionItem){ MHD_OPTION_NOTIFY_CONNECTION,
		                                (intptr_t)connection_notify, l };
	options[n++] =
		(struct MHD_OptionItem){ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)connection_uri, l };
	if (tls.cert) {
		options[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0, tls.cert };
		options[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, tls.key };
		options[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_PRIORITIES, 0,
			                                (char *)TLS_PRIORITIES };
	}
	options[n] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	library_says[0] = '\0';
	daemon = l->mhd->start_daemon(FLAGS | (tls.cert ? MHD_USE_TLS : 0), 0, NULL, NULL,
	                              connection_access, l, MHD_OPTION_EXTERNAL_LOGGER, library_log,
	                              NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (!daemon)
		err_set(err, tls.cert ? E_INVALID : E_INTERNAL, "start the HTTP server: %s%s",
		        library_says[0] ? library_says : "libmicrohttpd refused",
		        tls.cert ? " (is the certificate right, and the key its own?)" : "");
out:
	tls_done(&tls);
	return daemon;
}

/* --- the end, and the life of one that was replaced --- */

static unsigned connections(const struct listener *l, struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info =
		l->mhd->get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info ? info->num_connections : 0;
}

struct running {
	struct listener *listener;
	struct MHD_Daemon *daemon;
	struct MHD_Daemon *old; /* with certificates of before; takes no connections; or NULL */
	int old_fd;             /* the socket that was its, to be closed after it */
	int fd;
};

static void stop_old(struct running *run)
{
	run->listener->mhd->stop_daemon(run->old);
	auto_close_(&run->old_fd);
	run->old = NULL;
}

/* Read certificates and passwords again. What cannot be read leaves things as they are. */
static void reload(struct running *run)
{
	struct server *server = run->listener->server;
	const struct registry_serve_options *o = server->options;
	struct err err = ERR_INIT;
	struct MHD_Daemon *fresh;

	if (server->auth && auth_reload(server->auth, &err) < 0 && o->log) {
		AUTO_FREE char *line = xasprintf("not reloaded: %s", err.msg);

		o->log(o->log_ctx, line);
	}
	if (!server->tls || run->old)
		return;
	/* the library cannot change a certificate: a second one takes the socket over, and the
	 * first ends with its last connection */
	fresh = start(run->listener, run->fd, &err);
	if (!fresh) {
		AUTO_FREE char *line = xasprintf("not reloaded: %s", err.msg);

		if (o->log)
			o->log(o->log_ctx, line);
		return;
	}
	run->old_fd = run->listener->mhd->quiesce_daemon(run->daemon);
	run->old = run->daemon;
	run->daemon = fresh;
}

static void sweep_uploads(struct server *server)
{
	struct err err = ERR_INIT;
	struct image_store *store = stores_take(server->stores, &err);

	if (!store || repo_upload_sweep(store, REPO_UPLOAD_MAX_AGE_S, &err) < 0)
		log_debug("sweep uploads: %s", err.msg);
	if (store)
		stores_give(server->stores, store);
}

static void tick(struct running *run, int64_t *swept_ms)
{
	struct server *server = run->listener->server;
	int64_t now = clock_monotonic_ms();

	gate_close_waiting(server->gate, now - server->options->idle_timeout_ms);
	if (run->old && connections(run->listener, run->old) == 0)
		stop_old(run);
	if (now - *swept_ms > SWEEP_MS) {
		*swept_ms = now;
		sweep_uploads(server);
	}
}

/* Let requests under way end, within bounds. */
static void drain(struct running *run)
{
	struct server *server = run->listener->server;
	int64_t until = clock_monotonic_ms() + server->options->drain_timeout_ms;

	AUTO_FD fd = -1; /* closed after the daemon */

	atomic_store(&server->draining, true);
	fd = run->listener->mhd->quiesce_daemon(run->daemon);
	while (atomic_load(&server->in_flight) > 0 && clock_monotonic_ms() < until) {
		struct timespec ts = { .tv_nsec = 20000000 };

		nanosleep(&ts, NULL);
	}
	if (run->old)
		stop_old(run);
	run->listener->mhd->stop_daemon(run->daemon);
}

static void wait_for_end(struct running *run, const sigset_t *signals)
{
	int64_t swept_ms = clock_monotonic_ms();

	for (;;) {
		struct timespec ts = { .tv_sec = TICK_S };
		int number = sigtimedwait(signals, NULL, &ts);

		if (number == SIGTERM || number == SIGINT)
			return;
		if (number == SIGHUP)
			reload(run);
		tick(run, &swept_ms);
	}
}

/* --- from options to a server --- */

static int check_options(const struct registry_serve_options *o, int fd, struct err *err)
{
	if (!o->tls_cert != !o->tls_key)
		return err_set(err, E_INVALID, "--tls-cert and --tls-key belong together");
	if (o->anonymous_pull && !o->htpasswd)
		return err_set(err, E_INVALID, "--anonymous-pull needs --htpasswd");
	if (listen_is_local(fd) || o->htpasswd || o->read_only || o->proxy || o->anonymous_push)
		return 0;
	err_set(err, E_INVALID, "anybody who reaches '%s' could push", o->listen);
	return err_hint(err, "give --htpasswd or --read-only, or --anonymous-push to mean it");
}

static void server_done(struct server *server)
{
	if (server->proxy)
		proxy_free(server->proxy);
	stores_free(server->stores);
	auth_free(server->auth);
	hashes_free(server->hashes);
	limits_free(server->limits);
	gate_free(server->gate);
	pthread_mutex_destroy(&server->parsing);
}

static int server_init(struct server *server, int root_fd, struct err *err)
{
	const struct registry_serve_options *o = server->options;

	pthread_mutex_init(&server->parsing, NULL);
	server->tls = o->tls_cert;
	server->hashes = hashes_new();
	server->gate = gate_new();
	if (o->requests_per_second)
		server->limits = limits_new(o->requests_per_second);
	if (stores_new(root_fd, &server->stores, err) < 0 ||
	    (o->htpasswd && auth_new(o->htpasswd, &server->auth, err) < 0) ||
	    (o->proxy && proxy_new(server, &server->proxy, err) < 0))
		return -1;
	sweep_uploads(server);
	return 0;
}

static int serve(struct server *server, const struct mhd_api *mhd, int fd, const sigset_t *signals,
                 struct err *err)
{
	const struct registry_serve_options *o = server->options;
	struct listener listener = { mhd, server };
	struct running run = { .listener = &listener, .fd = fd, .old_fd = -1 };
	AUTO_FREE char *name = listen_name(fd);
	AUTO_FREE char *url = xasprintf("%s://%s", server->tls ? "https" : "http", name);

	if (server->tls && !mhd->is_feature_supported(MHD_FEATURE_TLS))
		return err_set(err, E_UNSUPPORTED, "this libmicrohttpd was built without TLS");
	run.daemon = start(&listener, fd, err);
	if (!run.daemon)
		return -1;
	if (o->ready)
		o->ready(o->log_ctx, url);
	wait_for_end(&run, signals);
	drain(&run);
	return 0;
}

int registry_serve(int root_fd, const struct registry_serve_options *options, struct err *err)
{
	struct server server = { .options = options };
	const struct mhd_api *mhd = mhd_api(err);
	AUTO_FD fd = -1;
	sigset_t signals, before;
	int r;

	if (!mhd)
		return -1;
	fd = listen_open(options->listen, err);
	if (fd < 0 || check_options(options, fd, err) < 0)
		return -1;
	/* every arena is memory that a burst of connections leaves behind */
	mallopt(M_ARENA_MAX, 2);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, &before);
	signal(SIGPIPE, SIG_IGN);
	r = server_init(&server, root_fd, err);
	if (r == 0)
		r = serve(&server, mhd, fd, &signals, err);
	server_done(&server);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}
