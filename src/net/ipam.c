#include "net/net-internal.h"

#include <arpa/inet.h>

/* Addresses are numbers in host byte order, so that they sort. The one network of today is row 1;
 * user networks will add more. */
#define DEFAULT_NETWORK 1

const char *const net_db_steps[] = {
	"CREATE TABLE net_networks("
	" id INTEGER PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE,"
	" base INTEGER NOT NULL,"
	" prefix_len INTEGER NOT NULL,"
	" last_ip INTEGER NOT NULL"
	");"
	"CREATE TABLE net_addresses("
	" network INTEGER NOT NULL REFERENCES net_networks(id),"
	" ip INTEGER NOT NULL,"
	" container TEXT NOT NULL,"
	" name TEXT,"
	" mac BLOB,"
	" PRIMARY KEY(network, ip)"
	") WITHOUT ROWID;"
	"CREATE UNIQUE INDEX net_addresses_container ON net_addresses(container, network);"
	"CREATE TABLE net_ports("
	" protocol INTEGER NOT NULL,"
	" host_port INTEGER NOT NULL,"
	" host_ip INTEGER NOT NULL,"
	" container TEXT NOT NULL,"
	" ctr_ip INTEGER NOT NULL,"
	" ctr_port INTEGER NOT NULL,"
	" PRIMARY KEY(protocol, host_port, host_ip)"
	") WITHOUT ROWID;"
	"CREATE INDEX net_ports_container ON net_ports(container);",
};
const int net_db_steps_len = ARRAY_LEN(net_db_steps);

int ipam_load(struct net *net, struct subnet *ret, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(net->db, &st, err, "SELECT base, prefix_len FROM net_networks WHERE id = ?",
	             DB_I64(DEFAULT_NETWORK)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r > 0)
		*ret = (struct subnet){ (uint32_t)db_i64(&st, 0), (uint8_t)db_i64(&st, 1) };
	return r;
}

int ipam_store(struct net *net, const struct subnet *s, struct err *err)
{
	return db_exec(net->db, err,
	               "INSERT OR REPLACE INTO net_networks(id, name, base, prefix_len, last_ip)"
	               " VALUES(?, 'bridge', ?, ?, ?)",
	               DB_I64(DEFAULT_NETWORK), DB_I64(s->base), DB_I64(s->prefix_len),
	               DB_I64(s->base + 1));
}

int ipam_in_use(struct net *net, struct err *err)
{
	int64_t one;

	return db_get_i64(net->db, &one, err, "SELECT 1 FROM net_addresses LIMIT 1");
}

/* The first free number in first..last. Return 1, 0 when there is none, or -1. */
static int find_gap(struct net *net, int64_t first, int64_t last, int64_t *ret, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int64_t next = first;
	int r;

	if (db_query(net->db, &st, err,
	             "SELECT ip FROM net_addresses WHERE network = ? AND ip BETWEEN ? AND ?"
	             " ORDER BY ip",
	             DB_I64(DEFAULT_NETWORK), DB_I64(first), DB_I64(last)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0 && db_i64(&st, 0) == next)
		next++;
	if (r < 0)
		return -1;
	*ret = next;
	return next <= last;
}

static int find_next(struct net *net, const struct subnet *s, int64_t *ret, struct err *err)
{
	int64_t first = (int64_t)s->base + 2; /* the network and the gateway */
	int64_t last = (int64_t)s->base + ~subnet_mask(s->prefix_len) - 1; /* not the broadcast */
	int64_t recent = first - 1;
	int r;

	if (db_get_i64(net->db, &recent, err, "SELECT last_ip FROM net_networks WHERE id = ?",
	               DB_I64(DEFAULT_NETWORK)) < 0)
		return -1;
	if (recent < first - 1 || recent > last)
		recent = first - 1;
	r = find_gap(net, recent + 1, last, ret, err);
	if (!r)
		r = find_gap(net, first, recent, ret, err);
	if (r)
		return r < 0 ? -1 : 0;
	err_set(err, E_NO_SPACE, "no free address in %s", subnet_format(s).s);
	return err_hint(err, "stop a container, or use --network host or none");
}

static int check_wanted(struct net *net, const struct subnet *s, struct in_addr wanted,
                        struct err *err)
{
	uint32_t ip = ntohl(wanted.s_addr), host_bits = ~subnet_mask(s->prefix_len);
	AUTO_STMT st = DB_STMT_INIT;
	char text[INET_ADDRSTRLEN];
	int r;

	inet_ntop(AF_INET, &wanted, text, sizeof(text));
	if (!subnet_contains(s, wanted))
		return err_set(err, E_INVALID, "address %s is not in the network %s", text,
		               subnet_format(s).s);
	if (ip == s->base || ip == s->base + 1 || (ip & host_bits) == host_bits)
		return err_set(err, E_INVALID, "address %s is reserved in the network %s", text,
		               subnet_format(s).s);
	if (db_query(net->db, &st, err,
	             "SELECT coalesce(name, container) FROM net_addresses"
	             " WHERE network = ? AND ip = ?",
	             DB_I64(DEFAULT_NETWORK), DB_I64(ip)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r > 0)
		return err_set(err, E_EXISTS, "address %s is in use by container '%s'", text,
		               db_text(&st, 0));
	return r;
}

int ipam_take(struct net *net, const struct subnet *s, const struct net_request *request,
              struct in_addr wanted, struct in_addr *ret, struct err *err)
{
	int64_t ip = ntohl(wanted.s_addr);

	if (wanted.s_addr != INADDR_ANY) {
		if (check_wanted(net, s, wanted, err) < 0)
			return -1;
	} else if (find_next(net, s, &ip, err) < 0 ||
	           db_exec(net->db, err, "UPDATE net_networks SET last_ip = ? WHERE id = ?",
	                   DB_I64(ip), DB_I64(DEFAULT_NETWORK)) < 0) {
		return -1;
	}
	if (db_exec(net->db, err,
	            "INSERT INTO net_addresses(network, ip, container, name) VALUES(?, ?, ?, ?)",
	            DB_I64(DEFAULT_NETWORK), DB_I64(ip), DB_TEXT(request->container_id),
	            DB_TEXT(request->name)) < 0)
		return err_ctx(err, "record the address");
	ret->s_addr = htonl((uint32_t)ip);
	return 0;
}
