/*
 * client.c
 *	  Loads vectors into a table and measures nearest-neighbour queries.
 *
 *	client load FILE TABLE
 *	client run FOLDER [option=value ...]
 *	client header
 *
 * The server is found as libpq finds it (PGHOST, PGPORT, PGDATABASE ...).
 *
 * "load" copies the rows of a file into TABLE (id integer, embedding vector)
 * in the binary format; id is the row's number, from 0.  FILE is .fvecs or .bvecs.
 *
 * "run" opens as many connections as clients=, one thread each.  Each sets
 * the options, prepares the query, and answers every query of query.fvecs
 * once to warm up, which also gives the recall; then all send queries for
 * seconds= and the answers are only counted.  One CSV row a point; "header"
 * prints the names of its columns.  With statement=idle the clients send
 * SELECT 1 instead: what a statement costs that does nothing.  With
 * statement=unordered they send the same parameter and get as many rows, but
 * any: what is left when nothing is searched (prepared statements only).
 *
 * Recall counts by distance: a hit is a returned row that is no farther than
 * the k-th nearest of truth.ivecs.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <time.h>

#include "fvecs.h"
#include "point.h"

#define MAX_CLIENTS 64
#define LATENCIES (1 << 22)		/* kept per client */

typedef enum Protocol
{
	PREPARED_BINARY,			/* prepared, binary parameter and result */
	PREPARED_TEXT,				/* prepared, text parameter and result */
	SIMPLE						/* a literal in the statement */
} Protocol;

typedef enum Statement
{
	NEAREST,
	UNORDERED,					/* any rows */
	IDLE						/* SELECT 1 */
} Statement;

static const char *folder;
static const char *table = "items";
static const char *operator = "<->";
static const char *type = "vector";	/* queries are cast to it */
static const char *ef_setting = "vego.ef_search";
static const char *first_sql = "";	/* run by each connection at start */
static const char *ef_list = "20,40,60,80,100,150,200,300,400";
static const char *client_list = "2";
static const char *header = "yes";
static char metric = 'l';
static Protocol protocol = PREPARED_BINARY;
static Statement statement = NEAREST;
static double seconds = 2;
static Point point = {
	.commit = "unknown", .system = "vego", .settings = "default", .k = 10
};

static Rows base;
static Rows queries;
static Rows truth;
static int	nclients;
static pthread_barrier_t barrier;

typedef struct Client
{
	pthread_t	thread;
	int			number;
	PGconn	   *connection;
	int32_t    *answers;		/* k per query; -1 where none came */
	float	   *latencies_us;
	size_t		count;
	double		elapsed;
} Client;

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static PGconn *
connect_or_exit(void)
{
	PGconn	   *connection = PQconnectdb("");

	if (PQstatus(connection) != CONNECTION_OK)
	{
		fprintf(stderr, "client: %s", PQerrorMessage(connection));
		exit(1);
	}
	return connection;
}

static PGresult *
checked(PGconn *connection, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
		status != PGRES_COPY_IN)
	{
		fprintf(stderr, "client: %s", PQerrorMessage(connection));
		exit(1);
	}
	return result;
}

static void
execute(PGconn *connection, const char *sql)
{
	PQclear(checked(connection, PQexec(connection, sql)));
}

/* ---- the wire format of a vector ---- */

static char *
put_int16(char *to, int16_t value)
{
	*to++ = (char) ((uint16_t) value >> 8);
	*to++ = (char) value;
	return to;
}

static char *
put_int32(char *to, int32_t value)
{
	return put_int16(put_int16(to, (int16_t) ((uint32_t) value >> 16)),
					 (int16_t) value);
}

static size_t
wire_size(int dimensions)
{
	return 4 + 4 * (size_t) dimensions;
}

static char *
put_vector(char *to, const float *elements, int dimensions)
{
	to = put_int16(put_int16(to, (int16_t) dimensions), 0);
	for (int i = 0; i < dimensions; i++)
	{
		int32_t		bits;

		memcpy(&bits, &elements[i], 4);
		to = put_int32(to, bits);
	}
	return to;
}

static int
print_vector(char *to, size_t size, const float *elements, int dimensions)
{
	size_t		used = 0;

	for (int i = 0; i < dimensions; i++)
		used += snprintf(to + used, size - used, "%c%.9g", i ? ',' : '[',
						 elements[i]);
	return used + snprintf(to + used, size - used, "]");
}

/* ---- load ---- */

static void
load(const char *file, const char *into)
{
	Rows		rows = map_rows(file);
	PGconn	   *connection = connect_or_exit();
	size_t		row_size = 2 + 4 + 4 + 4 + wire_size(rows.width);
	char	   *buffer = malloc(row_size + 32);
	char		sql[512];
	char	   *end;
	PGresult   *result;

	snprintf(sql, sizeof(sql), "COPY %s (id, embedding) FROM STDIN BINARY",
			 into);
	execute(connection, sql);

	memcpy(buffer, "PGCOPY\n\377\r\n\0", 11);
	end = put_int32(put_int32(buffer + 11, 0), 0);
	PQputCopyData(connection, buffer, end - buffer);
	for (size_t i = 0; i < rows.count; i++)
	{
		end = put_int16(buffer, 2);
		end = put_int32(put_int32(end, 4), (int32_t) i);
		end = put_int32(end, (int32_t) wire_size(rows.width));
		end = put_vector(end, float_row(rows, i), rows.width);
		if (PQputCopyData(connection, buffer, end - buffer) != 1)
			break;
	}
	end = put_int16(buffer, -1);
	PQputCopyData(connection, buffer, end - buffer);
	PQputCopyEnd(connection, NULL);
	while ((result = PQgetResult(connection)) != NULL)
		PQclear(checked(connection, result));
	PQfinish(connection);
	free(buffer);
}

/* ---- run ---- */

static PGresult *
ask(Client *client, size_t q, char *buffer, size_t size)
{
	const char *value = buffer;
	const float *query = float_row(queries, q);
	int			format = protocol == PREPARED_BINARY;
	int			length = 0;
	char	   *literal;

	if (statement == IDLE)
		return checked(client->connection,
					   PQexecPrepared(client->connection, "idle", 0, NULL,
									  NULL, NULL, format));
	switch (protocol)
	{
		case PREPARED_BINARY:
			length = put_vector(buffer, query, queries.width) - buffer;
			break;
		case PREPARED_TEXT:
			print_vector(buffer, size, query, queries.width);
			break;
		case SIMPLE:
			literal = buffer +
				snprintf(buffer, size, "SELECT id FROM %s ORDER BY embedding "
						 "%s '", table, operator);
			literal += print_vector(literal, size - (literal - buffer),
									query, queries.width);
			snprintf(literal, size - (literal - buffer), "'::%s LIMIT %d",
					 type, point.k);
			return checked(client->connection,
						   PQexec(client->connection, buffer));
	}
	return checked(client->connection,
				   PQexecPrepared(client->connection, "nearest", 1, &value,
								  &length, &format, format));
}

static void
keep_answer(Client *client, size_t q, PGresult *result)
{
	int32_t    *answer = client->answers + q * point.k;

	for (int i = 0; i < point.k; i++)
	{
		unsigned char *id;

		answer[i] = -1;
		if (i >= PQntuples(result))
			continue;
		id = (unsigned char *) PQgetvalue(result, i, 0);
		answer[i] = protocol == PREPARED_BINARY
			? (int32_t) ((uint32_t) id[0] << 24 | id[1] << 16 | id[2] << 8 |
						 id[3])
			: atoi((char *) id);
	}
}

static void
prepare(Client *client, int ef)
{
	char		sql[1024];

	client->connection = connect_or_exit();
	if (ef_setting[0] != '\0')
	{
		snprintf(sql, sizeof(sql), "SET %s = %d", ef_setting, ef);
		execute(client->connection, sql);
	}
	execute(client->connection, first_sql[0] ? first_sql : "SELECT 1");
	if (statement == UNORDERED)
		snprintf(sql, sizeof(sql),
				 "SELECT id FROM %s WHERE $1::vector::%s IS NOT NULL LIMIT %d",
				 table, type, point.k);
	else
		snprintf(sql, sizeof(sql),
				 "SELECT id FROM %s ORDER BY embedding %s $1::vector::%s LIMIT %d",
				 table, operator, type, point.k);
	PQclear(checked(client->connection,
					PQprepare(client->connection, "nearest", sql, 0, NULL)));
	PQclear(checked(client->connection,
					PQprepare(client->connection, "idle", "SELECT 1", 0,
							  NULL)));
}

static void *
ask_until_time_is_up(void *argument)
{
	Client	   *client = argument;
	size_t		size = 256 + 20 * (size_t) queries.width;
	char	   *buffer = malloc(size);
	size_t		first = queries.count * client->number / nclients;
	double		start;
	double		before;

	for (size_t i = 0; i < queries.count; i++)
	{
		size_t		q = (first + i) % queries.count;
		PGresult   *result = ask(client, q, buffer, size);

		keep_answer(client, q, result);
		PQclear(result);
	}

	pthread_barrier_wait(&barrier);
	start = before = now();
	for (size_t q = first; before < start + seconds; q++)
	{
		double		after;

		PQclear(ask(client, q % queries.count, buffer, size));
		after = now();
		if (client->count < LATENCIES)
			client->latencies_us[client->count] = (after - before) * 1e6;
		client->count++;
		before = after;
	}
	client->elapsed = before - start;
	free(buffer);
	return NULL;
}

/* How many of the returned rows are no farther than the k-th nearest. */
static int32_t
hits_of(size_t q, const int32_t *answer)
{
	const float *query = float_row(queries, q);
	const float *last = float_row(base, int_row(truth, q)[point.k - 1]);
	double		limit = true_distance(metric, query, last, base.width);
	int32_t		hits = 0;

	for (int i = 0; i < point.k; i++)
		if (answer[i] >= 0 && (size_t) answer[i] < base.count &&
			true_distance(metric, query, float_row(base, answer[i]),
						  base.width) <= limit)
			hits++;
	return hits;
}

static void
count_hits(const int32_t *answers)
{
	int32_t    *hits = malloc(4 * queries.count);

	for (size_t q = 0; q < queries.count; q++)
		hits[q] = hits_of(q, answers + q * point.k);
	set_recall(&point, hits, queries.count);
	free(hits);
}

static int
compare_floats(const void *a, const void *b)
{
	float		x = *(const float *) a;
	float		y = *(const float *) b;

	return (x > y) - (x < y);
}

static void
measure(int ef)
{
	static Client clients[MAX_CLIENTS];
	char		server[64];
	float	   *all;
	size_t		count = 0;

	pthread_barrier_init(&barrier, NULL, nclients);
	for (int i = 0; i < nclients; i++)
	{
		Client	   *client = &clients[i];

		client->number = i;
		client->count = 0;
		client->answers = malloc(4 * queries.count * point.k);
		client->latencies_us = malloc(4 * (size_t) LATENCIES);
		prepare(client, ef);
	}
	for (int i = 0; i < nclients; i++)
		pthread_create(&clients[i].thread, NULL, ask_until_time_is_up,
					   &clients[i]);
	for (int i = 0; i < nclients; i++)
		pthread_join(clients[i].thread, NULL);

	all = malloc(4 * (size_t) LATENCIES * nclients);
	point.qps = 0;
	for (int i = 0; i < nclients; i++)
	{
		size_t		kept = clients[i].count < LATENCIES ? clients[i].count :
			LATENCIES;

		memcpy(all + count, clients[i].latencies_us, 4 * kept);
		count += kept;
		point.qps += clients[i].count / clients[i].elapsed;
	}
	qsort(all, count, 4, compare_floats);
	snprintf(server, sizeof(server), "%s",
			 PQparameterStatus(clients[0].connection, "server_version"));
	server[strcspn(server, " ")] = '\0';
	point.server = server;
	point.clients = nclients;
	point.ef = ef;
	if (statement == NEAREST)
		count_hits(clients[0].answers);
	point.p50_us = all[count / 2];
	point.p99_us = all[count * 99 / 100];
	print_point(&point);

	free(all);
	for (int i = 0; i < nclients; i++)
	{
		PQfinish(clients[i].connection);
		free(clients[i].answers);
		free(clients[i].latencies_us);
	}
	pthread_barrier_destroy(&barrier);
}

static void
set_option(const char *name, const char *value)
{
	if (strcmp(name, "table") == 0)
		table = value;
	else if (strcmp(name, "metric") == 0)
	{
		metric = value[0];
		operator = metric == 'l' ? "<->" : metric == 'i' ? "<#>" : "<=>";
	}
	else if (strcmp(name, "type") == 0)
		type = value;
	else if (strcmp(name, "guc") == 0)
		ef_setting = value;
	else if (strcmp(name, "sql") == 0)
		first_sql = value;
	else if (strcmp(name, "ef") == 0)
		ef_list = value;
	else if (strcmp(name, "clients") == 0)
		client_list = value;
	else if (strcmp(name, "seconds") == 0)
		seconds = atof(value);
	else if (strcmp(name, "protocol") == 0)
		protocol = value[0] == 's' ? SIMPLE :
			value[0] == 't' ? PREPARED_TEXT : PREPARED_BINARY;
	else if (strcmp(name, "statement") == 0)
		statement = value[0] == 'i' ? IDLE :
			value[0] == 'u' ? UNORDERED : NEAREST;
	else if (strcmp(name, "header") == 0)
		header = value;
	else if (strcmp(name, "k") == 0)
		point.k = atoi(value);
	else if (strcmp(name, "commit") == 0)
		point.commit = value;
	else if (strcmp(name, "system") == 0)
		point.system = value;
	else if (strcmp(name, "settings") == 0)
		point.settings = value;
	else if (strcmp(name, "build_s") == 0)
		point.build_s = atof(value);
	else if (strcmp(name, "bytes") == 0)
		point.bytes_per_vector = atof(value);
	else
	{
		fprintf(stderr, "client: unknown option \"%s\"\n", name);
		exit(2);
	}
}

/* The numbers of a list like "1,2", one after another; 0 at the end. */
static int
next_number(const char **list)
{
	char	   *end;
	int			number = (int) strtol(*list, &end, 10);

	*list = *end == ',' ? end + 1 : end;
	return number;
}

static void
run(void)
{
	int			ef;

	base = map_vectors(folder, "base");
	queries = map_vectors(folder, "query");
	truth = map_truth(folder);
	point.rows = base.count;
	point.data = strrchr(folder, '/') ? strrchr(folder, '/') + 1 : folder;
	if (base.width != queries.width || truth.count < queries.count ||
		point.k < 1 || truth.width < point.k)
	{
		fprintf(stderr, "client: the files or the options do not fit\n");
		exit(2);
	}
	if (header[0] == 'y')
		print_point_header();
	while ((nclients = next_number(&client_list)) > 0)
	{
		const char *efs = ef_list;

		if (nclients > MAX_CLIENTS)
			nclients = MAX_CLIENTS;
		while ((ef = next_number(&efs)) > 0)
			measure(ef);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "load") == 0)
	{
		load(argv[2], argv[3]);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "header") == 0)
	{
		print_point_header();
		return 0;
	}
	if (argc < 3 || strcmp(argv[1], "run") != 0)
	{
		fprintf(stderr, "usage: client load FILE TABLE\n"
				"       client run FOLDER [option=value ...]\n");
		return 2;
	}
	folder = argv[2];
	for (int i = 3; i < argc; i++)
	{
		char	   *equals = strchr(argv[i], '=');

		if (equals == NULL)
		{
			fprintf(stderr, "client: expected option=value, not \"%s\"\n",
					argv[i]);
			return 2;
		}
		*equals = '\0';
		set_option(argv[i], equals + 1);
	}
	run();
	return 0;
}
