-- Roles: only `webmaster` is a name that the vendor's manual has, the others are made up.
INSERT INTO smb_roles (id, name, ownerId) VALUES (1, 'Admin', 1), (2, 'Reseller', 2), (3, 'Owner', 3), (4, 'webmaster', 3), (5, 'Mail', 3);
INSERT INTO smb_users (id, login, email, uuid, roleId, ownerId, isLocked) VALUES
  (1, 'admin', 'root@example.net', UUID(), 1, 1, 0),
  (2, 'reseller1', 'reseller@example.jp', UUID(), 2, 2, 0),
  (3, 'taro', 'taro@example.jp', UUID(), 3, 3, 0),
  (4, 'mary', 'mary@elsewhere.example', UUID(), 4, 3, 0),
  (11, 'owner@example.jp', 'owner@example.jp', UUID(), 5, 3, 0),
  (12, 'info@example.jp', 'info@example.jp', UUID(), 5, 3, 1),
  (16, 'OtherCase@Example.JP', 'OtherCase@Example.JP', UUID(), 5, 3, 0),
  (17, 'jdoe', 'otherlogin@example.jp', UUID(), 4, 3, 0),
  (18, 'moved@example.jp', 'private@elsewhere.example', UUID(), 5, 3, 0),
  (19, 'nobox@example.jp', 'nobox@example.jp', UUID(), 5, 3, 0),
  (20, 'Sales@example.jp', 'Sales@example.jp', UUID(), 5, 3, 0),
  (21, 'o''brien@example.jp', 'o''brien@example.jp', UUID(), 5, 3, 0),
  (22, '100%@example.net', '100%@example.net', UUID(), 5, 3, 0),
  (23, 'a_b@example.net', 'a_b@example.net', UUID(), 5, 3, 1),
  (24, 'axb@example.net', 'axb@example.net', UUID(), 5, 3, 0),
  (25, 'info@example.net', 'info@example.net', UUID(), 5, 3, 0),
  (26, 'unlinked@example.net', 'unlinked@example.net', UUID(), 5, 3, 0),
  (27, 'shared1@example.net', 'shared1@example.net', UUID(), 5, 3, 0),
  (30, 'taro@日本語.jp', 'taro@日本語.jp', UUID(), 5, 3, 0),
  (31, 'hanako@xn--wgv71a119e.jp', 'hanako@xn--wgv71a119e.jp', UUID(), 5, 3, 1);
-- What each stands for is in accounts.rs.
INSERT INTO mail (id, mail_name, perm_id, postbox, account_id, dom_id, userId) VALUES
  (1, 'owner', 101, 'true', 11, 1, 11),
  (2, 'info', 102, 'true', 12, 1, 12),
  (3, 'zero', 103, 'true', 13, 1, 0),
  (4, 'null', 104, 'true', 14, 1, NULL),
  (5, 'dangling', 0, 'true', 15, 1, 999),
  (6, 'othercase', 0, 'true', 16, 1, 16),
  (7, 'otherlogin', 0, 'true', 17, 1, 17),
  (8, 'moved', 0, 'true', 18, 1, 18),
  (9, 'nobox', 0, 'false', 0, 1, 19),
  (10, 'Sales', 0, 'true', 20, 1, 20),
  (11, 'o''brien', 0, 'true', 21, 1, 21),
  (12, '100%', 0, 'true', 22, 2, 22),
  (13, 'a_b', 0, 'true', 23, 2, 23),
  (14, 'axb', 0, 'true', 24, 2, 24),
  (15, 'info', 0, 'true', 25, 2, 25),
  (16, 'unlinked', 0, 'true', 26, 2, 0),
  (17, 'shared1', 0, 'true', 27, 2, 27),
  (18, 'shared2', 0, 'true', 28, 2, 27),
  (19, 'taro', 0, 'true', 29, 1, 3),
  (20, 'reseller', 0, 'true', 30, 1, 2),
  (21, 'root', 0, 'true', 31, 2, 1),
  (22, 'taro', 0, 'true', 32, 3, 30),
  (23, 'hanako', 0, 'true', 33, 3, 31);
INSERT INTO Permissions (id, permission, value) VALUES
  (101, 'cp_access', 'false'), (102, 'cp_access', 'true'), (103, 'cp_access', 'true'), (104, 'cp_access', 'true');
-- `sym`: since Onyx passwords are kept so that the panel can read them; whoever prints this column prints a secret.
INSERT INTO accounts (id, type, password) SELECT account_id, 'sym', CONCAT('canary-', id) FROM mail WHERE account_id <> 0;
