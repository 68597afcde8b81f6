-- Times every plan of a cell: so many rows, LIMIT, and share of rows that a
-- condition leaves.  bench/plans makes the tables and prints what comes out.

CREATE TABLE timings (rows int, take int, share real, plan text, shape text,
					  cost float8, ms float8);

-- How the planner is made to take a plan.
CREATE TABLE plans (plan text, settings text[], expression text);
INSERT INTO plans VALUES
	('chosen', '{}', 'embedding %s $1'),
	('vego', '{enable_seqscan,enable_bitmapscan,enable_sort}', 'embedding %s $1'),
	('table', '{enable_indexscan,enable_bitmapscan}', 'embedding %s $1'),
	('bitmap', '{enable_seqscan,enable_indexscan}', 'embedding %s $1'),
	-- the sum keeps the other index out
	('index', '{enable_seqscan,enable_bitmapscan}', '(embedding %s $1) + 0');

CREATE FUNCTION shape_of(plan jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(coalesce(node ->> 'Index Name', node ->> 'Node Type'), ' < ')
	FROM jsonb_path_query(plan, 'strict $.**', silent => true) node
	WHERE node ? 'Node Type'
$$;

-- The median over queries, after the first; slow plans are asked less often.
CREATE FUNCTION milliseconds(statement text, runs int) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	query record;
	plan jsonb;
	times float8[];
	start timestamptz := clock_timestamp();
BEGIN
	FOR query IN SELECT * FROM queries WHERE id <= runs ORDER BY id LOOP
		EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT json) ' || statement
			INTO plan USING query.embedding;
		IF query.id > 0 THEN
			times := times || (plan #>> '{0,Execution Time}')::float8;
		END IF;
		EXIT WHEN query.id > 1 AND clock_timestamp() - start > interval '0.2 s';
	END LOOP;
	RETURN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t);
END
$$;

CREATE FUNCTION measure(rows_ int, take_ int, share_ real, operator text, runs int)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	way record;
	statement text;
	found jsonb;
	setting text;
BEGIN
	FOR way IN SELECT * FROM plans LOOP
		FOREACH setting IN ARRAY way.settings LOOP
			PERFORM set_config(setting, 'off', true);
		END LOOP;
		statement := format('SELECT id FROM items_%s %s ORDER BY %s LIMIT %s', rows_,
			CASE WHEN share_ < 1 THEN 'WHERE part < ' || share_ END,
			format(way.expression, operator), take_);
		EXECUTE 'EXPLAIN (FORMAT json) ' || statement INTO found
			USING (SELECT embedding FROM queries WHERE id = 0);
		-- what is forbidden and taken nevertheless is another way's plan
		INSERT INTO timings SELECT rows_, take_, share_, way.plan, shape_of(found), cost,
			coalesce((SELECT max(ms) FROM timings t WHERE t.rows = rows_ AND t.take = take_
						AND t.share = share_ AND t.shape = shape_of(found)),
					 milliseconds(statement, runs))
		FROM CAST(found #>> '{0,Plan,Total Cost}' AS float8) cost WHERE cost < 1e9;
		FOREACH setting IN ARRAY way.settings LOOP
			PERFORM set_config(setting, 'on', true);
		END LOOP;
	END LOOP;
END
$$;

CREATE VIEW cells AS
SELECT rows, take, share,
	max(ms) FILTER (WHERE plan = 'chosen') AS chosen_ms,
	min(ms) AS best_ms,
	max(ms) FILTER (WHERE plan = 'chosen') / min(ms) AS ratio,
	max(shape) FILTER (WHERE plan = 'chosen') AS chosen,
	(array_agg(shape ORDER BY ms))[1] AS best
FROM timings GROUP BY rows, take, share;
