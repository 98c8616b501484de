-- What the latest sweep has and the sweep before it, as it was matched then, did not: by other layers, other images or a
-- newer database. Empty while there is only one sweep.
-- like: vulnerabilities
SELECT v.* FROM vulnerabilities v JOIN {_changes} c ON v.first_seen > c.since
