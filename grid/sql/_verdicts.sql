-- What decides about findings with the same statements (`decision`): the choices in images of a profile that a statement
-- for some images speaks of, and those in all others. The first choice whose paths fit suppresses. Of VEX only the newest
-- has a say, and if that is `affected`, none.
WITH spoken AS (
  SELECT d.decision, s.* EXCLUDE (match_id)
  FROM (SELECT DISTINCT sweep_id, decision, unnest(statements) AS number FROM {_found} WHERE decision IS NOT NULL) d
  JOIN {_statements} s ON s.sweep_id = d.sweep_id AND s.number = d.number
), met AS (
  SELECT s.*, unnest(list_prepend(0, p.profiles)) AS profile, p.profiles IS NOT NULL AS chosen
  FROM spoken s
  LEFT JOIN (SELECT sweep_id, number, list(DISTINCT profile) AS profiles
             FROM (SELECT sweep_id, profile, unnest(numbers) AS number FROM {_profiles}) GROUP BY ALL) p
    ON p.sweep_id = s.sweep_id AND p.number = s.number AND s.scoped
), places AS (
  SELECT DISTINCT decision, profile FROM met WHERE profile = 0 OR scoped
), ranked AS (
  SELECT p.profile, m.* EXCLUDE (profile), min(m.number) FILTER (m.kind = 'vex') OVER (PARTITION BY p.decision, p.profile) AS newest
  FROM places p JOIN met m ON m.decision = p.decision AND CASE WHEN m.scoped THEN m.profile = p.profile AND p.profile <> 0 ELSE m.profile = 0 END
), decided AS (
  SELECT p.decision, p.profile,
         coalesce(list({'by': kind || ' ' || origin, 'status': status, 'paths': paths,
                        'reason': nullif(concat_ws(': ', justification, reason), '')} ORDER BY number)
                  FILTER (kind <> 'vex' OR (number = newest AND status IN ('not_affected', 'fixed'))), []) AS choices
  FROM places p LEFT JOIN ranked r USING (decision, profile) GROUP BY p.decision, p.profile
)
SELECT decision, any_value(choices) FILTER (profile = 0) AS elsewhere,
       list({'profile': profile, 'choices': choices}) FILTER (profile <> 0) AS places
FROM decided GROUP BY decision
