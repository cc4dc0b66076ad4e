-- @accounts and @domains are set. Of each twelve accounts eight may log in; see accounts.rs for the rule.
INSERT INTO domains (id, name, displayName, cl_id)
  SELECT 10000 + seq, CONCAT('d', LPAD(seq, 5, '0'), '.example.jp'), CONCAT('d', LPAD(seq, 5, '0'), '.example.jp'), 3
  FROM seq_0_to_9999999 WHERE seq < @domains;
INSERT INTO Permissions (id, permission, value)
  SELECT 1000000 + seq, 'cp_access', CASE WHEN seq % 3 <> 0 THEN 'true' WHEN seq % 4 = 1 THEN NULL ELSE 'false' END
  FROM seq_0_to_9999999 WHERE seq < @accounts AND NOT (seq % 3 = 0 AND seq % 4 >= 2);
INSERT INTO accounts (id, type, password)
  SELECT 1000000 + seq, 'plain', CONCAT('canary-', seq) FROM seq_0_to_9999999 WHERE seq < @accounts;
INSERT INTO mail (id, mail_name, perm_id, postbox, account_id, dom_id)
  SELECT 1000000 + seq, CONCAT('user', LPAD(seq, 7, '0')), IF(seq % 3 = 0 AND seq % 4 = 2, 0, 1000000 + seq), 'true',
    1000000 + seq, 10000 + seq % @domains
  FROM seq_0_to_9999999 WHERE seq < @accounts;
