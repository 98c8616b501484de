-- Distinct problems of each chain by their worst severity.
WITH worst AS (
  SELECT sweep_id, ck, vuln_id, count(*) AS n, bool_or(kev) AS kev, bool_or(from_base) AS base, bool_or(fixed_version IS NOT NULL) AS fixable,
         min(CASE severity WHEN 'critical' THEN 1 WHEN 'high' THEN 2 WHEN 'medium' THEN 3 WHEN 'low' THEN 4
                           WHEN 'negligible' THEN 5 ELSE 6 END) AS rank
  FROM {_chain_findings} GROUP BY sweep_id, ck, vuln_id
)
SELECT sweep_id, ck, count(*) AS vulnerabilities, count(*) FILTER (rank = 1) AS critical,
       count(*) FILTER (rank = 2) AS high, count(*) FILTER (rank = 3) AS medium, count(*) FILTER (rank = 4) AS low,
       count(*) FILTER (rank = 5) AS negligible, count(*) FILTER (rank = 6) AS unknown,
       count(*) FILTER (fixable) AS fixable, count(*) FILTER (kev) AS kev, count(*) FILTER (base) AS base, sum(n) AS findings
FROM worst GROUP BY sweep_id, ck
