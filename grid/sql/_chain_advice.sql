-- What to upgrade in each chain: the packages built from one source that are installed in one version and have problems.
WITH found AS (
  SELECT sweep_id, ck, ecosystem, namespace, coalesce(source_name, package) AS name, version, upgrade_version, package,
         vuln_id, coalesce(upgrade_clears, false) AS clears, severity, risk, introduced_layer, from_base,
         source_version IS NULL OR source_version = regexp_replace(version, '[+]b[0-9]+$', '') AS same_version,
         CASE WHEN subscriber_fix IS NOT NULL THEN 'fixed for subscribers only' ELSE CASE state
           WHEN 'will_not_fix' THEN 'will not fix' WHEN 'fix_deferred' THEN 'fix deferred'
           WHEN 'end_of_life' THEN 'end of life' WHEN 'under_investigation' THEN 'under investigation'
           WHEN 'fixed' THEN 'no version clears it' ELSE 'no fix published' END END AS why
  FROM {_chain_findings} WHERE suppressed IS NULL
), ids AS (
  SELECT sweep_id, ck, ecosystem, namespace, name, version, upgrade_version, vuln_id, bool_and(clears) AS cleared,
         min(CASE severity WHEN 'critical' THEN 1 WHEN 'high' THEN 2 ELSE 3 END) AS rank, max(risk) AS risk,
         list(package) AS packages, bool_and(same_version) AS same_version, min(why) AS why, bool_and(from_base) AS from_base,
         min(introduced_layer) AS introduced_layer
  FROM found GROUP BY sweep_id, ck, ecosystem, namespace, name, version, upgrade_version, vuln_id
), grouped AS (
  SELECT sweep_id, ck, ecosystem, namespace, name, version, upgrade_version AS known_version,
         CASE WHEN bool_or(cleared) THEN upgrade_version END AS target,
         list_sort(list_distinct(flatten(list(packages)))) AS packages, count(*) FILTER (cleared) AS clears,
         count(*) FILTER (NOT cleared) AS remaining, count(*) FILTER (cleared AND rank = 1) AS critical,
         count(*) FILTER (cleared AND rank = 2) AS high, max(risk) AS risk, bool_and(same_version) AS same_version,
         array_to_string(list_sort(list(DISTINCT why) FILTER (NOT cleared)), ', ') AS why, bool_and(from_base) AS from_base,
         min(introduced_layer) AS introduced_layer
  FROM ids GROUP BY sweep_id, ck, ecosystem, namespace, name, version, upgrade_version
), managed AS (
  SELECT unnest(list_prepend(m.ck, list_transform(c.profiles, lambda x: {chain:m.ck,x}))) AS ck, m.managers
  FROM (SELECT l.ck, list(DISTINCT p.name) AS managers
        FROM {_chain_visible} l
        JOIN (SELECT name, source_path, {key:layer_digest} AS lk FROM packages WHERE name IN {managers}) p ON p.lk = l.lk
        WHERE l.hidden IS NULL OR NOT list_contains(l.hidden, p.source_path) GROUP BY l.ck) m
  LEFT JOIN {_chain_profiles} c ON c.ck = m.ck
), ways AS (
  SELECT ecosystem, list({'manager': manager, 'command': command, 'item': item} ORDER BY place) AS ways
  FROM {upgrades} AS t(ecosystem, place, manager, command, item) GROUP BY ecosystem
), chosen AS (
  SELECT g.* EXCLUDE (known_version),
         list_filter(w.ways, lambda x: x.manager = '' OR list_contains(coalesce(m.managers, []), x.manager))[1] AS way,
         array_to_string(list_transform(w.ways, lambda x: x.manager), ', ') AS wanted,
         regexp_matches(g.target, '[+~]esm[0-9]') AND NOT regexp_matches(g.version, '[+~]esm[0-9]') AS pro
  FROM grouped g LEFT JOIN managed m ON m.ck = g.ck LEFT JOIN ways w ON w.ecosystem = g.ecosystem
)
SELECT * EXCLUDE (way, wanted, why, same_version, pro, target), target AS upgrade_version,
       CASE
         WHEN target IS NULL OR way IS NULL OR pro OR list_bool_or(list_transform(packages, lambda p: starts_with(p, '-')))
           OR NOT regexp_full_match(array_to_string(packages, '') || target, '[A-Za-z0-9@._+:~/^-]+') THEN NULL
         WHEN ecosystem = 'golang' AND name = 'stdlib' THEN 'go get go@' || target
         ELSE way.command || ' ' || array_to_string(list_transform(packages, lambda p:
                replace(replace(CASE WHEN same_version THEN way.item ELSE '{' || 'name}' END, '{' || 'name}', p), '{' || 'version}',
                        CASE WHEN ecosystem = 'golang' THEN ltrim(target, 'v') ELSE target END)), ' ')
       END AS command,
       CASE
         WHEN target IS NULL THEN why
         WHEN pro THEN 'fixed for subscribers only'
         WHEN way IS NULL AND wanted <> '' THEN 'no package manager (' || wanted || ') in the image: build it on a newer base'
       END AS not_fixable,
       CASE WHEN clears = 0 THEN remaining || CASE WHEN remaining = 1 THEN ' known problem stays: ' ELSE ' known problems stay: ' END || why
         ELSE 'Clears ' || CASE WHEN remaining > 0 THEN clears || ' of ' || clears + remaining || ' known problems'
                                WHEN clears = 1 THEN 'the only known problem' ELSE 'all ' || clears || ' known problems' END
           || CASE WHEN critical + high = 0 THEN '' ELSE
                ' (' || concat_ws(', ', CASE WHEN critical > 0 THEN critical || ' critical' END, CASE WHEN high > 0 THEN high || ' high' END) || ')' END
           || CASE WHEN remaining = 0 THEN '' ELSE '; ' || remaining || CASE WHEN remaining = 1 THEN ' stays: ' ELSE ' stay: ' END || why END
       END || CASE WHEN from_base THEN '. It came with the base image' ELSE '' END || '.' AS impact
FROM chosen
