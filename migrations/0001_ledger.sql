-- The ledger: one row an event, and the index that is a pure function of those rows.
--
-- Every table is keyed by ledger_id first, so that one ledger lives on one node of a cluster. Times are microseconds
-- since 1970 in UTC; tags, nodes and visibilities are 64-bit BLAKE2b hashes, each hit checked against the real names.
-- Rows are never updated or deleted by the runtime role: only the head's position and recorded_at move.

CREATE SCHEMA ledger;

CREATE TABLE ledger.head (
    ledger_id   integer PRIMARY KEY CHECK (ledger_id > 0),
    name        text   NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,62}$'),
    position    bigint NOT NULL DEFAULT 0,
    recorded_at bigint NOT NULL DEFAULT 0,
    personal    text[] NOT NULL DEFAULT '{}'  -- members that are personal: IRIs and JSON pointers
) WITH (fillfactor = 10);  -- updated once an append: leave room for HOT chains on its page

INSERT INTO ledger.head (ledger_id, name) VALUES (1, 'main');

CREATE TABLE ledger.record (
    ledger_id     integer NOT NULL,
    position      bigint  NOT NULL,
    recorded_at   bigint  NOT NULL,
    leaf_hash     bytea   NOT NULL CHECK (octet_length(leaf_hash) = 32),
    event_id      uuid    NOT NULL,
    visibility    bigint  NOT NULL,
    type          text    NOT NULL,
    commitment    bytea   NOT NULL CHECK (octet_length(commitment) = 32),
    salt          bytea   NOT NULL CHECK (octet_length(salt) = 32),
    personal_salt bytea   NOT NULL CHECK (octet_length(personal_salt) IN (32, 64)),  -- 64 once erased: c6 and c7
    head          bytea   NOT NULL,
    what          bytea   NOT NULL,  -- items joined by newlines, which JSON without white space cannot hold
    "where"       bytea   NOT NULL,
    why           bytea   NOT NULL,
    how           bytea   NOT NULL,
    more          bytea   NOT NULL,
    personal      bytea   NOT NULL,
    source        bytea   NOT NULL,
    PRIMARY KEY (ledger_id, position)
) PARTITION BY RANGE (position);

-- ANALYZE keeps samples of what columns hold in the catalogue, where an erasure would not reach them.
ALTER TABLE ledger.record
    ALTER leaf_hash SET STATISTICS 0, ALTER commitment SET STATISTICS 0, ALTER salt SET STATISTICS 0,
    ALTER personal_salt SET STATISTICS 0, ALTER head SET STATISTICS 0, ALTER what SET STATISTICS 0,
    ALTER "where" SET STATISTICS 0, ALTER why SET STATISTICS 0, ALTER how SET STATISTICS 0,
    ALTER more SET STATISTICS 0, ALTER personal SET STATISTICS 0, ALTER source SET STATISTICS 0;

CREATE TABLE ledger.posting (
    ledger_id  integer NOT NULL,
    position   bigint  NOT NULL,
    tag        bigint  NOT NULL,
    visibility bigint  NOT NULL,
    PRIMARY KEY (ledger_id, tag, position)
) PARTITION BY RANGE (position);

CREATE TABLE ledger.mark (
    ledger_id   integer NOT NULL,
    position    bigint  NOT NULL,
    child       bigint  NOT NULL,  -- 0: every child of the parent
    parent      bigint  NOT NULL,
    kind        "char"  NOT NULL,
    opens       boolean NOT NULL,
    occurred_at bigint  NOT NULL,
    visibility  bigint  NOT NULL
);
CREATE INDEX mark_child ON ledger.mark (ledger_id, child, occurred_at);
CREATE INDEX mark_parent ON ledger.mark (ledger_id, parent, occurred_at);

CREATE TABLE ledger.edge (
    ledger_id   integer NOT NULL,
    position    bigint  NOT NULL,
    node        bigint  NOT NULL,
    via         bigint  NOT NULL,  -- the transformation that joins several events; 0: this event alone
    is_input    boolean NOT NULL,
    occurred_at bigint  NOT NULL,
    visibility  bigint  NOT NULL
);
CREATE INDEX edge_node ON ledger.edge (ledger_id, node);
CREATE INDEX edge_via ON ledger.edge (ledger_id, via) WHERE via <> 0;

CREATE TABLE ledger.sighting (
    ledger_id   integer NOT NULL,
    position    bigint  NOT NULL,
    occurred_at bigint  NOT NULL,
    visibility  bigint  NOT NULL,
    event       bigint  NOT NULL,  -- hash of the event: tag; 0: no eventID
    retracts    boolean NOT NULL,  -- an error declaration
    biz_step    text,
    disposition text,
    PRIMARY KEY (ledger_id, position)
);
CREATE INDEX sighting_retracts ON ledger.sighting (ledger_id, event) WHERE retracts;

CREATE TABLE ledger.visibility (
    ledger_id   integer NOT NULL,
    position    bigint  NOT NULL,  -- of the first event that has it
    visibility  bigint  NOT NULL,
    captured_by text    NOT NULL,
    parties     text[]  NOT NULL,
    biz_step    text,
    PRIMARY KEY (ledger_id, visibility)
);

-- Make partitions for positions up to `last`. Owner only; `db migrate` and `db maintain` call it. Made beside the table
-- and attached, they keep no append waiting.
CREATE FUNCTION ledger.make_partitions(last bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    width CONSTANT bigint := 4194304;
    low bigint;
    parent text;
    partition text;
    part text;
BEGIN
    FOR low IN SELECT generate_series(0, last, width) LOOP
        FOREACH parent IN ARRAY ARRAY['record', 'posting'] LOOP
            partition := parent || '_' || low / width;
            CONTINUE WHEN to_regclass('ledger.' || partition) IS NOT NULL;
            EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.%I INCLUDING CONSTRAINTS)', partition, parent);
            -- What LIKE does not copy: which columns ANALYZE leaves alone.
            FOR part IN SELECT attname FROM pg_attribute
                         WHERE attrelid = to_regclass('ledger.' || parent) AND attstattarget = 0 LOOP
                EXECUTE format('ALTER TABLE ledger.%I ALTER %I SET STATISTICS 0', partition, part);
            END LOOP;
            EXECUTE format('ALTER TABLE ledger.%I ATTACH PARTITION ledger.%I FOR VALUES FROM (%s) TO (%s)',
                           parent, partition, low, low + width);
        END LOOP;
    END LOOP;
END $$;

SELECT ledger.make_partitions(4 * 4194304 - 1);

-- Make visibilities known; parties are lines. An id that stands for something else already would show events to the
-- wrong people, so it ends the append.
CREATE FUNCTION ledger.add_visibilities(
    p_ledger integer, v_position bigint[], v_id bigint[], v_captured_by text[], v_parties text[], v_biz_step text[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.visibility (ledger_id, position, visibility, captured_by, parties, biz_step)
    SELECT p_ledger, position, id, captured_by, string_to_array(parties, E'\n'), biz_step
      FROM unnest(v_position, v_id, v_captured_by, v_parties, v_biz_step) v(position, id, captured_by, parties, biz_step)
        ON CONFLICT (ledger_id, visibility) DO NOTHING;
    IF EXISTS (SELECT FROM unnest(v_id, v_captured_by, v_parties, v_biz_step) v(id, captured_by, parties, biz_step)
                 JOIN ledger.visibility known ON known.ledger_id = p_ledger AND known.visibility = v.id
                WHERE (known.captured_by, known.parties, known.biz_step)
                      IS DISTINCT FROM (v.captured_by, string_to_array(v.parties, E'\n'), v.biz_step)) THEN
        RAISE EXCEPTION 'two visibilities share one id' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
END $$;

-- Append a group of small appends in one statement, so that they share one lock and one commit.
--
-- a_after[i] is the position up to which the condition of append i was checked (-1: it has none). The rows c_* are the
-- conditions: append, item, number of distinct tags of the item, tag hash (NULL for an item without tags, which any
-- event may match). An append whose condition has a candidate after that position is not made: last_position is NULL
-- and the caller checks real types and tags up to checked_to, then tries again from there.
CREATE FUNCTION ledger.append(
    p_ledger integer,
    a_after bigint[],
    c_append integer[], c_item integer[], c_width integer[], c_tag bigint[],
    e_append integer[], e_id uuid[], e_visibility bigint[], e_type text[],
    e_commitment bytea[], e_salt bytea[], e_personal_salt bytea[],
    e_head bytea[], e_what bytea[], e_where bytea[], e_why bytea[], e_how bytea[], e_more bytea[],
    e_personal bytea[], e_source bytea[],
    t_event integer[], t_tag bigint[],
    m_event integer[], m_child bigint[], m_parent bigint[], m_kind text[], m_opens boolean[], m_occurred_at bigint[],
    g_event integer[], g_node bigint[], g_via bigint[], g_is_input boolean[], g_occurred_at bigint[],
    s_event integer[], s_occurred_at bigint[], s_tag bigint[], s_retracts boolean[], s_biz_step text[],
    s_disposition text[],
    v_visibility bigint[], v_captured_by text[], v_parties text[], v_biz_step text[]
) RETURNS TABLE (append_no integer, last_position bigint, checked_to bigint)
-- A session keeps its plans: one made while the ledger was small must not read all of it once it is large.
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    old_position bigint;
    now_us bigint;
    refused integer[] := '{}';
    pos bigint[];
    added bigint;
BEGIN
    SELECT h.position, h.recorded_at INTO STRICT old_position, now_us
      FROM ledger.head h WHERE h.ledger_id = p_ledger FOR UPDATE;
    -- Not in the statement above: it computes its columns before it waits for the lock.
    now_us := greatest(now_us, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint);

    -- A statement of its own: its snapshot is taken after the lock was granted, so it sees every append before ours.
    IF EXISTS (SELECT FROM unnest(a_after) a WHERE a BETWEEN 0 AND old_position - 1) THEN
        refused := ARRAY(
            SELECT c.append
              FROM unnest(c_append, c_item, c_width, c_tag) c(append, item, width, tag)
             -- OFFSET 0: one index probe a tag and nothing else, whatever the planner thinks of the tables' sizes.
             CROSS JOIN LATERAL (SELECT position FROM ledger.posting p
                                  WHERE p.ledger_id = p_ledger AND p.tag = c.tag AND p.position > a_after[c.append]
                                 OFFSET 0) hit
             GROUP BY c.append, c.item, c.width, hit.position HAVING count(*) = c.width
             UNION
            SELECT c.append FROM unnest(c_append, c_width) c(append, width)
             WHERE c.width = 0 AND a_after[c.append] < old_position);
    END IF;

    SELECT array_agg(CASE WHEN e.ok THEN old_position + e.n ELSE 0 END ORDER BY e.o), max(e.n)
      INTO pos, added
      FROM (SELECT o, ok, count(*) FILTER (WHERE ok) OVER (ORDER BY o) AS n
              FROM (SELECT o, append <> ALL (refused) AS ok
                      FROM unnest(e_append) WITH ORDINALITY u(append, o)) j) e;

    IF added > 0 THEN
        INSERT INTO ledger.record
        SELECT p_ledger, pos[o], now_us,
               sha256('\x0001'::bytea || uuid_send(id) || int8send(now_us) || commitment),
               id, vis, type, commitment, salt, personal_salt, head, what, where_, why, how, more, personal, source
          FROM unnest(e_id, e_visibility, e_type, e_commitment, e_salt, e_personal_salt, e_head, e_what, e_where,
                      e_why, e_how, e_more, e_personal, e_source) WITH ORDINALITY
               e(id, vis, type, commitment, salt, personal_salt, head, what, where_, why, how, more, personal, source, o)
         WHERE pos[o] > 0;
        INSERT INTO ledger.posting
        SELECT p_ledger, pos[event], tag, e_visibility[event] FROM unnest(t_event, t_tag) t(event, tag)
         WHERE pos[event] > 0;
        INSERT INTO ledger.sighting
        SELECT p_ledger, pos[event], occurred_at, e_visibility[event], tag, retracts, biz_step, disposition
          FROM unnest(s_event, s_occurred_at, s_tag, s_retracts, s_biz_step, s_disposition)
               s(event, occurred_at, tag, retracts, biz_step, disposition)
         WHERE pos[event] > 0;
        IF cardinality(m_event) > 0 THEN
            INSERT INTO ledger.mark
            SELECT p_ledger, pos[event], child, parent, kind::"char", opens, occurred_at, e_visibility[event]
              FROM unnest(m_event, m_child, m_parent, m_kind, m_opens, m_occurred_at)
                   m(event, child, parent, kind, opens, occurred_at)
             WHERE pos[event] > 0;
        END IF;
        IF cardinality(g_event) > 0 THEN
            INSERT INTO ledger.edge
            SELECT p_ledger, pos[event], node, via, is_input, occurred_at, e_visibility[event]
              FROM unnest(g_event, g_node, g_via, g_is_input, g_occurred_at) g(event, node, via, is_input, occurred_at)
             WHERE pos[event] > 0;
        END IF;
        IF cardinality(v_visibility) > 0 THEN
            -- The first event that is made, which need not be the first that was asked for.
            PERFORM ledger.add_visibilities(
                p_ledger, array_agg(first), array_agg(id), array_agg(captured_by), array_agg(parties),
                array_agg(biz_step))
               FROM unnest(v_visibility, v_captured_by, v_parties, v_biz_step) v(id, captured_by, parties, biz_step)
               JOIN (SELECT vis, min(pos[o]) AS first FROM unnest(e_visibility) WITH ORDINALITY e(vis, o)
                      WHERE pos[o] > 0 GROUP BY vis) made ON made.vis = v.id;
        END IF;
        UPDATE ledger.head SET position = old_position + added, recorded_at = now_us WHERE ledger_id = p_ledger;
    END IF;

    RETURN QUERY
    SELECT e.append, nullif(max(pos[e.o]), 0), old_position
      FROM unnest(e_append) WITH ORDINALITY e(append, o) GROUP BY e.append;
END $$;
