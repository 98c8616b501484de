-- Every finding by image, package row and problem, that is open or that the database or the image's removal ended, in match
-- run `ended_in`. What a change of layers ended stands in `finding_events`; what goes on under other layers has no row.
SELECT l.* EXCLUDE (hk, image_since, problem_since, problem_from),
       CASE WHEN c.from_match >= l.problem_from AND c.told_at >= l.image_since THEN c.first_seen
            ELSE greatest(l.image_since, l.problem_since) END AS first_seen
FROM (
  SELECT s.image_id, s.registry, s.repository, s.tag, s.os, s.arch, s.digest, s.ck, s.hk, s.since AS image_since,
         p.ecosystem, p.name AS package, p.package_id, p.version, a.vuln_id, a.since AS problem_since,
         a.from_match AS problem_from,
         CASE WHEN s.to_match IS NULL AND a.to_match IS NULL THEN 'open'
              WHEN a.ended = 'gone' AND (s.to_match IS NULL OR s.to_match > a.to_match)
                AND (s.from_match < a.to_match OR (s.event = 'joined' AND s.from_match = a.to_match))
                THEN 'fixed'
              WHEN s.ended = 'vanished' AND a.from_match < s.to_match AND (a.to_match IS NULL OR a.to_match >= s.to_match)
                THEN 'removed'
         END AS status,
         CASE status WHEN 'fixed' THEN a.to_match WHEN 'removed' THEN s.to_match END AS ended_in
  FROM {_image_spans} s
  JOIN (SELECT DISTINCT ck, ecosystem, name, package_id, version, system FROM {any:_chain_packages}) p ON p.ck = s.ck
  JOIN {_problem_spans} a ON a.package_id = p.package_id AND a.system = p.system
) l
LEFT JOIN {_finding_spans} c
  ON c.image_id = l.hk AND c.package_id = l.package_id AND c.vuln_id = l.vuln_id
  AND (l.ended_in IS NULL OR c.from_match < l.ended_in)
  AND (c.to_match IS NULL OR c.to_match >= l.ended_in)
WHERE l.status IS NOT NULL
