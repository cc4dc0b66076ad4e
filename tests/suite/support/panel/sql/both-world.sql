-- Customers and domains of the small world. The passwords are canaries.
INSERT INTO accounts (id, type, password) VALUES (1, 'plain', 'canary-admin'), (2, 'plain', 'canary-reseller'), (3, 'plain', 'canary-taro');
INSERT INTO clients (id, login, type, pname, email, account_id, perm_id, parent_id) VALUES
  (1, 'admin', 'admin', 'Administrator', 'root@example.net', 1, 0, NULL),
  (2, 'reseller1', 'reseller', 'Reseller', 'reseller@example.jp', 2, 0, 1),
  (3, 'taro', 'client', 'Taro', 'taro@example.jp', 3, 900, 2);
-- A customer's own permissions are rows of the same table.
INSERT INTO Permissions (id, permission, value) VALUES (900, 'cp_access', 'true'), (900, 'create_domains', 'false');
INSERT INTO domains (id, name, displayName, cl_id) VALUES
  (1, 'example.jp', 'example.jp', 3),
  (2, 'example.net', 'Example.NET', 3),
  (3, 'xn--wgv71a119e.jp', '日本語.jp', 3),
  (4, 'empty.example.jp', 'empty.example.jp', 2);
